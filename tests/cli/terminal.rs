//! Colours: only where they are wanted.

use crate::scene::Scene;

#[tokio::test]
async fn colours_come_when_asked_for_and_not_into_a_pipe() {
    let shop = Scene::shop().await;
    assert!(!shop.queue(&["status"]).stdout.contains('\u{1b}'));
    let coloured = shop.queue(&["status", "--color", "always"]);
    assert!(coloured.stdout.contains("\u{1b}["), "{coloured}");
    assert!(coloured.stderr.contains("\u{1b}["), "{coloured}");
    let json = shop.queue(&["status", "--color", "always", "--json"]).stdout;
    assert!(!json.contains('\u{1b}'), "JSON is never coloured");
}
