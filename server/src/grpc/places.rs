//! Places for streams: each keeps a place in the board's queue and may ask for snapshots, so there are only so many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use booth_core::TokenHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::auth::Identity;
use super::status::Reason;

/// Streams open at a time, all tokens together.
pub const ALL: usize = 256;
/// Of one token: a page or a script that forgets its streams takes no other's.
pub const OWN: usize = 64;
/// Those of links (walls, pages), apart from the others: whatever such a page does, consoles have their places.
pub const LINKS: usize = 64;

#[derive(Debug, Clone)]
pub struct Places {
    all: Arc<Semaphore>,
    links: Arc<Semaphore>,
    open: Arc<Mutex<BTreeMap<TokenHash, usize>>>,
}

/// One stream's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

#[derive(Debug)]
struct Share {
    places: Places,
    token: TokenHash,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            links: Arc::new(Semaphore::new(LINKS)),
            open: Arc::default(),
        }
    }
}

impl Places {
    pub fn enter(&self, who: &Identity) -> Result<Place, Status> {
        let link = who.until.is_some();
        let share = match link {
            true => None,
            false => Some(self.share(who.token)?),
        };
        let places = if link { &self.links } else { &self.all };
        let permit = Arc::clone(places)
            .try_acquire_owned()
            .map_err(|_| Reason::TooManyWatchers.status("too many streams are open"))?;
        Ok(Place {
            _permit: permit,
            _share: share,
        })
    }

    fn share(&self, token: TokenHash) -> Result<Share, Status> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(token).or_default();
        if *count >= OWN {
            let text = format!("this token has {OWN} streams open already");
            return Err(Reason::TooManyOwnStreams.status(text));
        }
        *count += 1;
        Ok(Share {
            places: self.clone(),
            token,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let open = self.places.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::tests::reason;
    use booth_core::Timestamp;

    /// One operator with many tokens: it is the token that has a share.
    fn who(token: &str, link: bool) -> Identity {
        Identity {
            id: "anna".parse().unwrap(),
            token: crate::secrets::token_hash(token),
            until: link.then_some(Timestamp(1)),
        }
    }

    fn refused(places: &Places, token: &str, link: bool) -> String {
        reason(&places.enter(&who(token, link)).unwrap_err())
    }

    fn fill(places: &Places, token: &str, link: bool, n: usize) -> Vec<Place> {
        (0..n)
            .map(|_| places.enter(&who(token, link)).unwrap())
            .collect()
    }

    #[test]
    fn one_token_has_its_share_and_leaves_places_to_others() {
        let places = Places::default();
        let mut anna = fill(&places, "anna", false, OWN);
        assert_eq!(refused(&places, "anna", false), "TOO_MANY_OWN_STREAMS");
        // Her links have places of their own.
        let _link = places.enter(&who("anna", true)).unwrap();
        let _others: Vec<_> = ["ben", "carl", "dora"]
            .map(|id| fill(&places, id, false, OWN))
            .into();
        assert_eq!(refused(&places, "eve", false), "TOO_MANY_WATCHERS");
        // One who was refused holds nothing.
        anna.pop();
        let _eve = places.enter(&who("eve", false)).unwrap();
        assert_eq!(refused(&places, "anna", false), "TOO_MANY_WATCHERS");
        drop(anna);
        let _again = fill(&places, "anna", false, OWN - 1);
        let open = places.open.lock().unwrap();
        assert_eq!((open[&who("anna", false).token], open.len()), (OWN - 1, 5));
    }

    #[test]
    fn links_fill_their_own_places_only() {
        let places = Places::default();
        let mut links = fill(&places, "wall", true, LINKS);
        assert_eq!(refused(&places, "wall", true), "TOO_MANY_WATCHERS");
        let _lasting = fill(&places, "wall", false, OWN);
        links.pop();
        links.extend(fill(&places, "wall", true, 1));
    }
}
