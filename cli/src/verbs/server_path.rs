use crate::app::Ctx;
use crate::token;

/// On the server's own machine a relative path means the one seen from here.
pub fn seen_by_server(ctx: &Ctx, path: &str) -> String {
    let local = !path.is_empty() && token::is_local(&ctx.global.server);
    let absolute = if local {
        std::path::absolute(path).ok()
    } else {
        None
    };
    absolute
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_else(|| path.to_owned())
}
