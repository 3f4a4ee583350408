//! A job that was sent: its id, its state, its result.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Client, JobError, SendError};
use crate::canvas::ResultNode;
use crate::names::TaskId;
use crate::result::{ResultMeta, State, is_ready_meta};
use crate::store::StoreError;

/// A job that was sent, which returns an `Out`. Cheap to clone; dropping it changes nothing for the job.
pub struct JobHandle<Out = serde_json::Value> {
    client: Client,
    id: TaskId,
    ignored: bool,
    out: PhantomData<fn() -> Out>,
}

impl<Out> JobHandle<Out> {
    pub(crate) fn new(client: Client, id: TaskId, ignored: bool) -> Self {
        Self { client, id, ignored, out: PhantomData }
    }

    /// Of the last result of a workflow.
    pub(crate) fn of_node(client: Client, node: &ResultNode) -> Result<Self, SendError> {
        let task = node.id().to_owned();
        let id = TaskId::new(node.id()).map_err(|source| SendError::Name { task, source })?;
        Ok(Self::new(client, id, false))
    }

    /// The job's id.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Its state: [`State::Pending`] while nothing is stored, which is also what an unknown or forgotten job has.
    ///
    /// # Errors
    ///
    /// [`JobError::Store`], and [`JobError::Decode`] when what is stored is no result.
    pub async fn status(&self) -> Result<State, JobError> {
        Ok(self.meta().await?.map_or(State::Pending, |meta| meta.state))
    }

    /// All that is stored of its result; `None` while nothing is.
    ///
    /// # Errors
    ///
    /// As [`JobHandle::status`].
    pub async fn meta(&self) -> Result<Option<ResultMeta>, JobError> {
        self.client.result(&self.id).await
    }

    /// Waits until it is done, at most `timeout`, without polling. The store is asked once at least, and has three seconds to answer
    /// that where `timeout` is shorter.
    ///
    /// # Errors
    ///
    /// [`JobError::Failed`] with what went wrong, [`JobError::Revoked`], [`JobError::Timeout`], [`JobError::Ignored`];
    /// [`JobError::Type`] when it returned something else than an `Out`; and [`JobError::Store`] when the store cannot be asked: also
    /// when the time is over and it did not answer to the last look, since whether it is done is not known then.
    pub async fn get(&self, timeout: Duration) -> Result<Out, JobError>
    where
        Out: DeserializeOwned,
    {
        if self.ignored {
            return Err(JobError::Ignored);
        }
        let found = self.client.store().wait_result(&self.id, is_ready_meta, timeout).await?;
        let meta = ResultMeta::decode(&found.ok_or(JobError::Timeout(timeout))?)?;
        match meta.state {
            State::Success => Ok(meta.result.parse()?),
            State::Failure => Err(JobError::Failed(exception_of(&meta))),
            State::Revoked => Err(JobError::Revoked(exception_of(&meta).message)),
            State::Pending | State::Received | State::Started | State::Retry | State::Custom(_) => {
                Err(JobError::Timeout(timeout))
            }
        }
    }

    /// Deletes its result; true where there was one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store refuses.
    pub async fn forget(&self) -> Result<bool, StoreError> {
        Ok(self.client.store().forget(std::slice::from_ref(&self.id)).await?.into_iter().any(|there| there))
    }

    /// Keeps it from being started, if it has not been. See [`Client::revoke`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store refuses.
    pub async fn revoke(&self) -> Result<(), StoreError> {
        self.client.revoke(std::slice::from_ref(&self.id)).await
    }
}

fn exception_of(meta: &ResultMeta) -> crate::task::Exception {
    meta.exception().unwrap_or_else(|| crate::task::Exception {
        exc_type: "Exception".to_owned(),
        exc_module: "builtins".to_owned(),
        message: meta.result.preview(200),
        traceback: meta.traceback.clone(),
    })
}

impl<Out> Clone for JobHandle<Out> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), id: self.id.clone(), ignored: self.ignored, out: PhantomData }
    }
}

impl<Out> fmt::Debug for JobHandle<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("id", &self.id).finish_non_exhaustive()
    }
}
