//! Typed workflows: what a step takes must be what the step before it gives, or it does not compile.

use std::fmt;
use std::marker::PhantomData;
use std::ops::BitOr;

use super::call::Complete;
use super::error::CanvasError;
use super::freeze::Ids;
use super::signature::{Shape, Signature};
use super::spec::OnceKey;
use super::{Call, Canvas, Sending};
use crate::client::{AnyHandle, Client, GroupHandle, JobHandle};
use crate::message::Json;

/// Several tasks in one: a chain or a chord, whose result is an `Out`. It is a step of others (`In` is what its own first
/// step lacks), or complete and can be sent.
#[must_use = "a workflow does nothing until it is sent"]
pub struct Flow<Out, In = Complete> {
    sig: Signature,
    types: PhantomData<fn(In) -> Out>,
}

/// Tasks that run side by side, each with a `T` as its result; followed by a step, it is the header of a chord.
#[must_use = "a group does nothing until it is sent"]
pub struct Group<T, In = Complete> {
    sig: Signature,
    types: PhantomData<fn(In) -> T>,
}

/// A step that takes nothing from the one before it (Celery's `si`).
#[must_use = "a step does nothing until it is sent"]
pub struct Immutable<Out>(Signature, PhantomData<fn() -> Out>);

/// What may come after something that gives an `In`: a [`Partial`](super::Partial) that lacks one, an [`Immutable`] step, a
/// workflow or group of such, or an untyped [`Signature`].
#[diagnostic::on_unimplemented(
    message = "this step does not take a `{In}`",
    label = "what comes before it gives a `{In}`",
    note = "`task.partial(…)` leaves out the first argument, which must be of that type; `task.si(…)` takes nothing from the \
            step before; `.untyped()` leaves the check to the run"
)]
pub trait Step<In>: Sized {
    /// What the chain is once this step is its end; `First` is what its beginning lacks.
    type After<First>;
    /// The step itself.
    fn into_signature(self) -> Signature;
    /// Names the types of a chain that ends in this step.
    fn typed<First>(sig: Signature) -> Self::After<First>;
}

/// Tasks that run side by side: `group(urls.map(|url| fetch.s(url)))`. Followed by a step it is a chord.
///
/// ```no_run
/// # use queue_core::prelude::*;
/// # #[task] async fn fetch(url: String) -> u64 { url.len() as u64 }
/// # #[task] async fn total(sizes: Vec<u64>) -> u64 { sizes.iter().sum() }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pages = ["https://a.example", "https://b.example"];
/// let sizes = group(pages.map(|url| fetch.s(url))).send().await?.get(seconds(10)).await?; // Vec<u64>
/// let sum = group(pages.map(|url| fetch.s(url))).then(total.partial()).send().await?;     // a chord
/// # Ok(()) }
/// ```
pub fn group<T, In, M>(members: impl IntoIterator<Item = M>) -> Group<T, In>
where
    M: Member<T, In>,
{
    Group::of(Signature::group(members.into_iter().map(Member::into_member)))
}

/// What a group may hold: calls, workflows, partial ones (then the group is partial).
pub trait Member<T, In> {
    /// As a signature.
    fn into_member(self) -> Signature;
}

impl<T, In> Member<T, In> for Call<T, In> {
    fn into_member(self) -> Signature {
        self.into()
    }
}

impl<T, In> Member<T, In> for Flow<T, In> {
    fn into_member(self) -> Signature {
        self.sig
    }
}

impl<In> Member<serde_json::Value, In> for Signature {
    fn into_member(self) -> Signature {
        self
    }
}

impl<Out, In> Flow<Out, In> {
    pub(crate) fn of(sig: Signature) -> Self {
        Self { sig, types: PhantomData }
    }
}

impl<T, In> Group<T, In> {
    pub(crate) fn of(sig: Signature) -> Self {
        Self { sig, types: PhantomData }
    }
}

fn chained(before: Signature, step: Signature) -> Signature {
    match before.shape {
        // A chain that has been given nothing of its own goes on growing.
        Shape::Chain(_) if before.options.iter().next().is_none() && before.key.is_none() => before.longer(step),
        _ => Signature::chain([before, step]),
    }
}

/// The same after a group, whose results are a list, also of one. In a chain a group of one gives way to its member, as in Celery's
/// `chain`; what Celery's `|` makes of a group is a chord.
fn collected(mut before: Signature, step: Signature) -> Signature {
    let last = if let Shape::Chain(steps) = &before.shape { steps.last() } else { Some(&before) };
    let is_one = last.is_some_and(|last| matches!(&last.shape, Shape::Group(members) if members.len() == 1));
    if !is_one || before.key.is_some() {
        return chained(before, step);
    }
    before.hand_down();
    let composed = match before.shape {
        Shape::Group(header) => Signature::chord(header, step),
        Shape::Chain(mut steps) => {
            let last = steps.pop();
            steps.extend(last.map(|last| collected(last, step)));
            Signature::chain(steps)
        }
        Shape::Task(_) | Shape::Chord(_) => return before,
    };
    Signature { options: before.options, fault: before.fault.or(composed.fault), ..composed }
}

macro_rules! steps {
    ($($type:ident gives $given:ty => $then:ident),*) => {$(
        impl<T, In> $type<T, In> {
            /// Goes on with `step`, which gets the result (of a group: the list of results) as its first argument.
            pub fn then<S: Step<$given>>(self, step: S) -> S::After<In> {
                S::typed($then(self.into(), step.into_signature()))
            }
        }

        /// `a | b` is `a.then(b)`.
        impl<T, In, S: Step<$given>> BitOr<S> for $type<T, In> {
            type Output = S::After<In>;
            fn bitor(self, step: S) -> S::After<In> {
                self.then(step)
            }
        }
    )*};
}

steps!(Call gives T => chained, Flow gives T => chained, Group gives Vec<T> => collected);

impl<Out> Immutable<Out> {
    /// Goes on with `step`, which gets the result as its first argument.
    pub fn then<S: Step<Out>>(self, step: S) -> S::After<Complete> {
        S::typed(chained(self.0, step.into_signature()))
    }
}

impl<Out> Call<Out> {
    /// As a step that takes nothing from the one before it.
    pub fn immutable(mut self) -> Immutable<Out> {
        self.links().immutable = true;
        Immutable(self.into(), PhantomData)
    }
}

impl Call {
    /// A call of a task by its name, as a step that gets what comes before it as its first argument: the types are checked when
    /// it runs.
    pub fn partial<In>(self) -> Call<serde_json::Value, In> {
        Call::retyped(self)
    }
}

impl<Out, In> Step<In> for Call<Out, In> {
    type After<First> = Flow<Out, First>;
    fn into_signature(self) -> Signature {
        self.into()
    }
    fn typed<First>(sig: Signature) -> Flow<Out, First> {
        Flow::of(sig)
    }
}

impl<Out, In> Step<In> for Flow<Out, In> {
    type After<First> = Flow<Out, First>;
    fn into_signature(self) -> Signature {
        self.sig
    }
    fn typed<First>(sig: Signature) -> Flow<Out, First> {
        Flow::of(sig)
    }
}

impl<T, In> Step<In> for Group<T, In> {
    type After<First> = Group<T, First>;
    fn into_signature(self) -> Signature {
        self.sig
    }
    fn typed<First>(sig: Signature) -> Group<T, First> {
        Group::of(sig)
    }
}

impl<Out, In> Step<In> for Immutable<Out> {
    type After<First> = Flow<Out, First>;
    fn into_signature(self) -> Signature {
        self.0
    }
    fn typed<First>(sig: Signature) -> Flow<Out, First> {
        Flow::of(sig)
    }
}

impl<In> Step<In> for Signature {
    type After<First> = Flow<serde_json::Value, First>;
    fn into_signature(self) -> Signature {
        self
    }
    fn typed<First>(sig: Signature) -> Flow<serde_json::Value, First> {
        Flow::of(sig)
    }
}

macro_rules! composed {
    ($($type:ident),*) => {$(
        impl<T, In> $type<T, In> {
            /// Without its types.
            pub fn untyped(self) -> Signature {
                self.sig
            }

            /// Calls `sig` with the result once it has succeeded; of a group: when its first task has, without the result.
            pub fn link(mut self, sig: impl Into<Signature>) -> Self {
                self.sig.link(&sig.into());
                self
            }

            /// Calls `sig` with the id of whichever task in it failed.
            pub fn link_error(mut self, sig: impl Into<Signature>) -> Self {
                self.sig.link_error(&sig.into());
                self
            }

            /// Stamps every task in it.
            pub fn stamp(mut self, name: &str, value: impl serde::Serialize) -> Self {
                self.sig.stamped(name, &value);
                self
            }

            /// Is sent once, however often, while this key stands: see [`Call::idempotency_key`]. All of it or nothing, so that what is
            /// sent at once (of a chain the first step, of a group or chord its members) must fit into one batch: a thousand messages
            /// and 4 MiB.
            pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
                self.sig.set_key(key);
                self
            }

            /// How long its key stands: see [`Call::idempotency_ttl`].
            pub fn idempotency_ttl(mut self, ttl: std::time::Duration) -> Self {
                self.sig.set_key_ttl(ttl);
                self
            }

            /// Gives every task in it its id before it is sent.
            pub fn freeze(mut self) -> Self {
                self.sig.freeze();
                self
            }
        }

        impl<T, In> From<$type<T, In>> for Signature {
            fn from(flow: $type<T, In>) -> Self {
                flow.sig
            }
        }

        impl<T, In> Clone for $type<T, In> {
            fn clone(&self) -> Self {
                Self { sig: self.sig.clone(), types: PhantomData }
            }
        }

        impl<T, In> fmt::Debug for $type<T, In> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.sig.fmt(f)
            }
        }
    )*};
}

composed!(Flow, Group);

impl<Out> From<Immutable<Out>> for Signature {
    fn from(step: Immutable<Out>) -> Self {
        step.0
    }
}

impl<Out> fmt::Debug for Immutable<Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! sent {
    ($($(#[$doc:meta])* $type:ident gives $handle:ty),*) => {$(
        impl<T: 'static> $type<T> {
            $(#[$doc])*
            pub fn send(self) -> Sending<$handle> {
                self.sending(None, None)
            }

            /// Sends it with this client.
            pub fn send_with(self, client: &Client) -> Sending<$handle> {
                self.sending(Some(client.clone()), None)
            }
        }
    )*};
}

sent!(
    /// Sends it with the default client (see [`Client::current`]); the handle is that of its last result.
    Flow gives JobHandle<T>,
    /// Sends it with the default client (see [`Client::current`]).
    Group gives GroupHandle<T>
);

impl Signature {
    /// Sends it with the default client (see [`Client::current`]).
    pub fn send(self) -> Sending<AnyHandle> {
        self.sending(None, None)
    }

    /// Sends it with this client.
    pub fn send_with(self, client: &Client) -> Sending<AnyHandle> {
        self.sending(Some(client.clone()), None)
    }

    /// Is sent once, however often, while this key stands: see [`Flow::idempotency_key`].
    pub fn set_key(&mut self, key: impl Into<String>) {
        let key = OnceKey::new(key);
        match key.check() {
            Ok(()) => self.key = Some(Box::new(key)),
            Err(why) => self.fault = Some(Box::new(CanvasError::Call { task: self.task.clone(), why })),
        }
    }

    /// How long its key stands: see [`Call::idempotency_ttl`].
    pub fn set_key_ttl(&mut self, ttl: std::time::Duration) {
        match self.key.take().map(|key| key.standing(ttl)) {
            Some(Ok(key)) => self.key = Some(Box::new(key)),
            Some(Err(why)) => self.fault = Some(Box::new(CanvasError::Call { task: self.task.clone(), why })),
            None => {}
        }
    }

    /// Gives every task in it that has none its id, before it is sent. What is wrong with it is said when it is sent.
    pub fn freeze(&mut self) {
        if let Err(error) = self.freeze_with(None, &mut Ids::Random) {
            self.fault = Some(Box::new(error));
        }
    }

    /// Stamps every task in it.
    pub fn stamped(&mut self, name: &str, value: &(impl serde::Serialize + ?Sized)) {
        match Json::from_value(value) {
            Ok(value) => self.stamp(name, &value),
            Err(why) => {
                let (task, why) = (self.task.clone(), format!("stamp `{name}`: {why}"));
                self.fault = Some(Box::new(CanvasError::Call { task, why }));
            }
        }
    }

    /// Sets an option as Celery names it (`queue`, `countdown`, `priority`, `expires`, `headers`, …). What is none of its
    /// kind is said when it is sent.
    pub fn set(mut self, name: &str, value: impl serde::Serialize) -> Self {
        match Json::from_value(&value) {
            Ok(value) => self.options.set(name, value),
            Err(why) => {
                let (task, why) = (self.task.clone(), format!("option `{name}`: {why}"));
                self.fault = Some(Box::new(CanvasError::Call { task, why }));
            }
        }
        self
    }
}
