//! A job that kills its worker, among jobs that do not.

use queue_core::store::DeadReason;
use queue_tests::Bench;

use crate::scene::Scene;

/// The poison takes 99 neighbours with it once; then it is found out alone, three times, and set aside. They all finish.
async fn poison_is_set_aside_and_neighbours_finish(bench: &Bench) {
    const NEIGHBOURS: usize = 99;
    let scene = Scene::new(bench).await;
    for n in 0..NEIGHBOURS {
        scene.send("crash.hold", [format!("neighbour{n}")]).await;
    }
    let poison = scene.send("crash.poison", ("poison", NEIGHBOURS)).await;

    let mut crashes = 0;
    let mut worker = scene.worker(NEIGHBOURS + 1, &[]);
    // The supervisor: who falls is replaced.
    while scene.dead().await.is_empty() || scene.written("done").len() < NEIGHBOURS {
        if worker.ended().is_some() {
            crashes += 1;
            assert!(crashes <= 4, "it should have been set aside by now");
            scene.bury().await;
            scene.open_gate("all");
            worker = scene.worker(NEIGHBOURS + 1, &[]);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    scene.until_empty().await;
    scene.stop(worker).await;

    assert_eq!(crashes, 4, "once in company, three times alone");
    let dead = scene.dead().await;
    assert_eq!(dead.len(), 1, "a neighbour was blamed");
    let letter = &dead[0].dead.as_ref().unwrap().1;
    assert_eq!(letter.reason, DeadReason::Poison);
    assert_eq!(letter.id.as_deref(), Some(poison.id().as_str()));
    assert!(scene.written("done").values().all(|times| *times == 1), "{:?}", scene.written("done"));
}

crate::on_both!(poison_is_set_aside_and_neighbours_finish);
