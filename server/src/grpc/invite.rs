//! Invites: the secret link leaves the server once, in the answer to its making (and to repeats of that).

use std::time::Duration;

use booth_core::{Command, InviteId, Text};
use booth_proto::convert::{self, names};
use booth_proto::v1;
use tonic::Status;

use super::api::{Answered, Api, asked, broken, invalid, refused};
use super::auth::Identity;
use crate::address::join_base_url;
use crate::secrets::{new_id, token_hash};

const TTL_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

impl Api {
    pub async fn make_invite(
        &self,
        by: Identity,
        r: v1::CreateInviteRequest,
    ) -> Result<v1::CreateInviteResponse, Status> {
        let show = names::parse_show("parent", &r.parent).map_err(refused)?;
        let role = convert::caller::parse_kind("kind", r.kind).map_err(refused)?;
        let ttl = convert::duration("ttl", r.ttl.as_ref())
            .map_err(refused)?
            .unwrap_or(TTL_DEFAULT);
        if ttl < TTL_MIN || ttl > TTL_MAX {
            return Err(invalid("ttl", "1 second to 30 days"));
        }
        let asked = asked(by, &r.request_id, 0);
        let token = self.token_for(&asked, &format!("invite\0{show}"))?;
        let id = new_id('i').map_err(broken)?;
        let invite = Command::Invite {
            id: InviteId::new(&id).map_err(|e| invalid("name", e.to_string()))?,
            show: show.clone(),
            role,
            name: Text::name(&r.display_name),
            token: token_hash(token.expose()),
            uses: Some(r.uses).filter(|uses| *uses != 0),
            expires_at: Some(self.rooms.clock.now().plus(ttl)),
        };
        let done = self.command(&asked, invite).await?;
        let base = join_base_url(&self.rooms.config);
        // Exposed to the operator who asked for it.
        let token = token.expose().clone();
        Ok(v1::CreateInviteResponse {
            invite: done.invite(),
            url: format!("{base}/join/{show}#{token}"),
            token,
            revision: done.revision(),
        })
    }
}
