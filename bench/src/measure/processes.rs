//! One queue, several worker processes.

use std::time::Duration;

use super::drain::settled;
use super::what::processes;
use crate::Outcome;
use crate::lab::Lab;
use crate::noise::Span;
use crate::subject::contract::{Order, Ran};

pub(crate) async fn measure(lab: &mut Lab) -> Outcome<()> {
    let Some(ours) = lab.ours() else { return Ok(()) };
    for count in [1, 2, 4, 8] {
        let span = Span::begin();
        let trial = lab.trial(&ours).await?;
        trial.enqueue(&Order { count: ours.jobs, ..Order::default() }).await?;
        let mut workers = (0..count).map(|_| trial.worker(ours.concurrency, false)).collect::<Outcome<Vec<_>>>()?;
        let all = || Ran::read(&trial.notes()).count >= ours.jobs;
        trial.until(&mut workers, Duration::from_secs(60), all).await?;
        let ran = Ran::read(&trial.notes());
        let took = settled(&trial).await?.max(ran.last_us) - ran.first_us;
        lab.figures.add(ours.name, &processes(count), "jobs/s", ours.jobs as f64 * 1e6 / took as f64, &span);
        for worker in workers {
            worker.stop().await;
        }
    }
    Ok(())
}
