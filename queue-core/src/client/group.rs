//! A group that was sent: its id, its members, the list of their results.

use std::fmt;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::{Client, JobError, JobHandle, SendError};
use crate::canvas::ResultNode;
use crate::message::Json;
use crate::names::TaskId;
use crate::store::{StoreError, StoredResult};

/// A group that was sent, whose members each return a `T`. Cheap to clone; dropping it changes nothing for its jobs.
pub struct GroupHandle<T = serde_json::Value> {
    client: Client,
    id: TaskId,
    node: ResultNode,
    jobs: Vec<JobHandle<T>>,
}

impl<T> GroupHandle<T> {
    pub(crate) fn of_node(client: Client, node: ResultNode) -> Result<Self, SendError> {
        let name = |id: &str| TaskId::new(id).map_err(|source| SendError::Name { task: id.to_owned(), source });
        let id = name(node.id())?;
        let mut ids = Vec::new();
        leaves(&node, &mut ids);
        let jobs = ids.into_iter().map(|id| Ok(JobHandle::new(client.clone(), name(id)?, false)));
        let jobs = jobs.collect::<Result<_, SendError>>()?;
        Ok(Self { client, id, node, jobs })
    }

    /// The group's id.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Its jobs, in order; those of groups within it in their place.
    pub fn jobs(&self) -> &[JobHandle<T>] {
        &self.jobs
    }

    /// Waits until all are done, at most `timeout`, and gives what they returned, in order.
    ///
    /// # Errors
    ///
    /// That of the first job, in order, that gives no value: see [`JobHandle::get`].
    pub async fn get(&self, timeout: Duration) -> Result<Vec<T>, JobError>
    where
        T: DeserializeOwned,
    {
        let began = Instant::now();
        let mut values = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let left = timeout.saturating_sub(began.elapsed());
            values.push(job.get(left).await.map_err(|error| match error {
                JobError::Timeout(_) => JobError::Timeout(timeout),
                error => error,
            })?);
        }
        Ok(values)
    }

    /// How many of its jobs are done, well or not.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::status`].
    pub async fn done(&self) -> Result<usize, JobError> {
        let ids: Vec<TaskId> = self.jobs.iter().map(|job| job.id().clone()).collect();
        let found = self.client.store().get_results(&ids).await?;
        Ok(found.iter().flatten().filter(|meta| crate::result::is_ready_meta(meta)).count())
    }

    /// Keeps what the group consists of, so that [`Client::group`], or Celery's `GroupResult.restore`, finds it by its id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store refuses.
    pub async fn save(&self) -> Result<(), StoreError> {
        let meta = self.node.to_meta().as_str().to_owned().into();
        let ttl = self.client.options().result_ttl;
        self.client.store().put_group(&StoredResult { id: self.id.clone(), meta, ttl }).await
    }

    /// Deletes the results of its jobs, and what was saved of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store refuses.
    pub async fn forget(&self) -> Result<(), StoreError> {
        let ids: Vec<TaskId> = self.jobs.iter().map(|job| job.id().clone()).collect();
        self.client.store().forget(&ids).await?;
        self.client.store().forget_group(&self.id).await.map(drop)
    }
}

fn leaves<'a>(node: &'a ResultNode, out: &mut Vec<&'a str>) {
    match node {
        ResultNode::Task(id) => out.push(id),
        ResultNode::Group(_, members) => members.iter().for_each(|member| leaves(member, out)),
    }
}

impl Client {
    /// The group that was saved under this id, by us or by Celery; `None` when there is none, or not any more.
    ///
    /// # Errors
    ///
    /// [`JobError::Store`], and [`JobError::Decode`] when what is stored is no group.
    pub async fn group<T>(&self, id: &TaskId) -> Result<Option<GroupHandle<T>>, JobError> {
        let Some(meta) = self.store().get_group(id).await? else { return Ok(None) };
        let missing = || crate::message::DecodeError::Missing { field: "result".to_owned() };
        let meta = crate::result::unpack(&meta)?;
        let meta = Json::new(String::from_utf8_lossy(&meta).into_owned())?;
        let result = meta.entries().ok().and_then(|mut entries| entries.find(|(key, _)| key == "result"));
        let node = result.and_then(|(_, tuple)| ResultNode::from_json(tuple)).ok_or_else(missing)?;
        GroupHandle::of_node(self.clone(), node).map(Some).map_err(|_| missing().into())
    }
}

/// What waits for a signature that was sent: whether it is one job or a group shows when it is sent.
#[derive(Debug, Clone)]
pub enum AnyHandle {
    /// One result.
    Job(JobHandle),
    /// A list of results.
    Group(GroupHandle),
}

impl AnyHandle {
    pub(crate) fn of_node(client: Client, node: ResultNode) -> Result<Self, SendError> {
        match node {
            ResultNode::Task(_) => JobHandle::of_node(client, &node).map(Self::Job),
            ResultNode::Group(..) => GroupHandle::of_node(client, node).map(Self::Group),
        }
    }

    /// The id of the job or group.
    pub fn id(&self) -> &TaskId {
        match self {
            Self::Job(job) => job.id(),
            Self::Group(group) => group.id(),
        }
    }

    /// Waits until all is done, at most `timeout`; a group gives an array.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::get`].
    pub async fn get(&self, timeout: Duration) -> Result<serde_json::Value, JobError> {
        match self {
            Self::Job(job) => job.get(timeout).await,
            Self::Group(group) => group.get(timeout).await.map(serde_json::Value::Array),
        }
    }
}

impl<T> Clone for GroupHandle<T> {
    fn clone(&self) -> Self {
        let (client, id, node) = (self.client.clone(), self.id.clone(), self.node.clone());
        Self { client, id, node, jobs: self.jobs.clone() }
    }
}

impl<T> fmt::Debug for GroupHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupHandle").field("id", &self.id).field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}
