//! What attacks: plugins that do so where a payload asks for it, such payloads, and what becomes of each.

use serde_json::Value;

use super::{harness::SiegeOptions, hostile::Hostile};
use crate::kit::{Expected, Scene, check};

/// Plugins that attack, and the tasks that have them do it. Its test lays a siege with it; so does [`super::soak`], with many.
#[derive(Clone, Debug)]
pub(crate) struct Assault {
    /// Their names are their own among all assaults.
    pub(crate) plugins: Vec<Hostile>,
    pub(crate) strikes: Vec<Strike>,
    pub(crate) engine: Engine,
}

/// A task that has a plugin attack.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    /// What it is called where it does not end as expected.
    pub(crate) what: &'static str,
    pub(crate) payload: Value,
    pub(crate) expected: Expected,
}

/// Of what the payloads of a siege are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Tasks do what their payload says that they do.
    Mock,
    /// Tasks have processes and files.
    Native,
}

impl Assault {
    /// By these plugins, on tasks of the engine [`Engine::Mock`].
    pub(crate) fn by(
        plugins: impl IntoIterator<Item = Hostile>,
        strikes: impl IntoIterator<Item = (&'static str, Value, Expected)>,
    ) -> Self {
        Self {
            plugins: plugins.into_iter().collect(),
            strikes: strikes.into_iter().map(Strike::from).collect(),
            engine: Engine::Mock,
        }
    }

    /// The same on tasks with processes and files.
    pub(crate) fn native(self) -> Self {
        Self {
            engine: Engine::Native,
            ..self
        }
    }

    /// Lays a siege with it, with nothing else about it, and checks that the worker withstands it.
    pub(crate) async fn is_withstood(&self) {
        let mut siege = SiegeOptions::of(self).lay().await;
        siege.withstands(self).await;
    }
}

impl Strike {
    /// Checks what has become of its task.
    pub(crate) async fn check(&self, scene: &Scene, task_id: &str) {
        check(scene, task_id, self.what, &self.expected).await;
    }
}

impl From<(&'static str, Value, Expected)> for Strike {
    fn from((what, payload, expected): (&'static str, Value, Expected)) -> Self {
        Self {
            what,
            payload,
            expected,
        }
    }
}

impl Engine {
    /// As the config names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Native => "native",
        }
    }
}
