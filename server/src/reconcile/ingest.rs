//! Orders to the ingest worker: where it listens, and who may go on publishing.

use booth_core::{PublishProtocol, State};
use booth_proto::worker::{IngestDesired, IngestPublisher, to_worker::Message};

use super::Reconciler;
use crate::supervise::UnitId;

impl Reconciler {
    pub(super) fn order_ingest(&mut self, state: &State) {
        let unit = UnitId::Ingest;
        let Some(link) = self.link(&unit) else {
            return;
        };
        let config = &self.parts.config;
        let places = self.parts.supervisor.places();
        let listen = |address: Option<std::net::SocketAddr>| {
            address.map(|a| a.to_string()).unwrap_or_default()
        };
        let tls = config.rtmp.tls_listen.and(config.rtmp_tls());
        let path = |path: &std::path::Path| {
            // Workers run in a directory of their own choice.
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            path.to_string_lossy().into_owned()
        };
        let (tls_cert, tls_key) = tls.map_or_else(Default::default, |(c, k)| (path(c), path(k)));
        let publishers = state.channels.values().filter_map(|channel| {
            let publisher = channel.publisher.as_ref().filter(|_| channel.running)?;
            let here = matches!(
                publisher.protocol,
                PublishProtocol::Rtmp | PublishProtocol::Rtmps
            );
            here.then(|| IngestPublisher {
                id: publisher.id.0,
                media_socket: path(&places.media_socket(&channel.id)),
            })
        });
        let desired = IngestDesired {
            generation: 0,
            rtmp_listen: listen(config.rtmp.listen),
            rtmps_listen: listen(config.rtmp.tls_listen),
            tls_cert,
            tls_key,
            connections_per_address: config.rtmp.connections_per_address,
            publishers: publishers.collect(),
        };
        self.order(&unit, &link, Message::Ingest(desired));
    }
}
