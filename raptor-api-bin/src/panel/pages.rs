//! The paths of the panel's pages. Its build writes them to `routes.txt` (with `panel/scripts/routes.mjs`), so that no list has
//! to be maintained by hand.

use super::Files;
use axum::http::{HeaderMap, header};

/// Whether a page of the panel has this path, given without the leading `/`.
pub(super) fn known(path: &str) -> bool {
    // A build of the panel that predates this list.
    let Some(file) = Files::get("routes.txt") else { return true };
    std::str::from_utf8(&file.data).is_ok_and(|routes| routes.lines().any(|route| leads_to(route, path)))
}

/// Whether `path` matches the route of a page, such as `/containers/[id]`.
fn leads_to(route: &str, path: &str) -> bool {
    let mut given = path.strip_suffix('/').unwrap_or(path).split('/');
    let fits = route.trim_start_matches('/').split('/').all(|part| {
        given.next().is_some_and(|given| given == part || (part.starts_with('[') && !given.is_empty()))
    });
    fits && given.next().is_none()
}

/// Whether the request is for a page in a browser, rather than for data.
pub(super) fn wanted(asked: &HeaderMap) -> bool {
    let accepted = asked.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|kind| kind.trim().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_by_its_address_and_nothing_else_is() {
        for (route, path) in [
            ("/", ""),
            ("/containers", "containers"),
            ("/containers", "containers/"),
            ("/containers/[id]/files", "containers/0198c1f2/files"),
            ("/templates/catalogue", "templates/catalogue"),
        ] {
            assert!(leads_to(route, path), "{route} {path}");
        }
        for (route, path) in [
            ("/", "health"),
            ("/containers", "container"),
            ("/containers", "containers/1"),
            ("/containers/[id]", "containers"),
            ("/containers/[id]", "containers//"),
            ("/containers/[id]/files", "containers/1/files/2"),
        ] {
            assert!(!leads_to(route, path), "{route} {path}");
        }
    }

    #[test]
    fn a_built_panel_says_which_pages_it_has() {
        if Files::get("index.html").is_none() {
            println!("SKIP: the panel was not built");
            return;
        }
        assert!(Files::get("routes.txt").is_some(), "build the panel anew: npm run build");
        for page in
            ["", "sign-in", "containers", "containers/1/settings", "templates/catalogue/minecraft-vanilla"]
        {
            assert!(known(page), "{page}");
        }
        for other in ["health", "metrics", "openapi.json", "containers/1/nothing", "containerz"] {
            assert!(!known(other), "{other}");
        }
    }
}
