//! Fault matrices. A scenario runs once without faults to record its AWS calls, and then
//! once per case, with one or two of them failing.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, StreamExt, stream};
use serde_json::Value;
use webhook_endpoints::domain::secret::SecretStorage;

use super::stage::{Stage, Ways};
use super::wire::{Fault, Wire, is_of_a_poller};

/// How many cases run concurrently. They mostly wait for the SDK's backoff.
const AT_ONCE: usize = 12;

/// A call within a scenario: the `index`-th distinct request of an operation. The SDK
/// retries with an identical request, so all its tries count as one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    operation: String,
    index: usize,
}

/// AWS throttles the call, which the SDK retries.
const THROTTLED: Fault = Fault::Refused(
    r#"{"__type": "com.amazonaws#ThrottlingException", "message": "Rate exceeded"}"#,
);

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// The fault affects the SDK's first try only.
    Once,
    /// The fault affects every try.
    Lasting,
}

/// A fault of a case, and the call it strikes.
#[derive(Debug, Clone)]
pub struct Planned {
    target: Target,
    fault: Fault,
    span: Span,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { operation, index } = &self.target;
        let fault = match self.fault {
            THROTTLED => "Throttled".to_owned(),
            other => format!("{other:?}"),
        };
        write!(f, "{fault} {operation} {index} {:?}", self.span)
    }
}

impl Planned {
    /// Whether it loses the response of a read, which has the same effect as the read not
    /// reaching AWS. Used to leave out redundant pairs.
    fn is_lost_read(&self) -> bool {
        let reads = ["BatchGetItem", "GetItem", "GetSecretValue", "Query"];
        self.fault == Fault::After && reads.contains(&self.target.operation.as_str())
    }

    /// The embedded Secrets Manager rejects a repeated `CreateSecret` with the same
    /// `ClientRequestToken`. AWS instead repeats its first response, so the emulator cannot
    /// show the effect of a single lost response.
    fn is_beyond_the_emulator(&self) -> bool {
        self.target.operation == "CreateSecret"
            && matches!(self.fault, Fault::After | Fault::Late)
            && self.span == Span::Once
    }
}

/// What a case has seen on the wire so far.
#[derive(Debug, Default)]
struct Met {
    /// Each distinct request once, as operation and body, in order of appearance.
    seen: Vec<(String, Value)>,
    /// How many calls met a fault.
    struck: usize,
}

#[derive(Debug, Clone, Default)]
pub struct Faults {
    planned: Vec<Planned>,
    met: Arc<Mutex<Met>>,
}

impl Faults {
    /// Installs these faults on the wire, until [`Wire::mend`].
    pub fn arm(&self, wire: &Wire) {
        let mut planned = self.planned.clone();
        let met = Arc::clone(&self.met);
        wire.disturb_requests(move |operation, body| {
            if is_of_a_poller(operation) {
                return None;
            }
            let mut met = met.lock().unwrap();
            let target = met.target(
                operation,
                serde_json::from_slice(body).expect("parse the request body"),
            );
            let position = planned.iter().position(|fault| fault.target == target)?;
            met.struck += 1;
            match planned[position].span {
                // Removed, so the SDK's retry of the same request succeeds.
                Span::Once => Some(planned.remove(position).fault),
                Span::Lasting => Some(planned[position].fault),
            }
        });
    }
}

impl Met {
    /// Returns the call that a request belongs to: a new one, or one that the SDK retries.
    fn target(&mut self, operation: &str, body: Value) -> Target {
        let request = (operation.to_owned(), body);
        // Identical requests of the scenario itself, such as two reads of an item, also
        // count as one call.
        if !self.seen.contains(&request) {
            self.seen.push(request.clone());
        }
        let mut same = self.seen.iter().filter(|(other, _)| other == operation);
        let index = same
            .position(|seen| *seen == request)
            .expect("find the request just seen");
        Target {
            operation: request.0,
            index,
        }
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for (operation, _) in &self.seen {
            let index = targets
                .iter()
                .filter(|target| target.operation == *operation)
                .count();
            targets.push(Target {
                operation: operation.clone(),
                index,
            });
        }
        targets
    }
}

/// Faults to test alone and in pairs.
const CUTS: [(Fault, Span); 4] = [
    (Fault::Before, Span::Once),
    (Fault::Before, Span::Lasting),
    (Fault::After, Span::Once),
    (Fault::After, Span::Lasting),
];

/// Faults to test alone only.
const OTHERS: [(Fault, Span); 3] = [
    (Fault::Late, Span::Once),
    (THROTTLED, Span::Once),
    (THROTTLED, Span::Lasting),
];

fn planned(target: &Target, faults: &[(Fault, Span)]) -> Vec<Planned> {
    faults
        .iter()
        .map(|(fault, span)| Planned {
            target: target.clone(),
            fault: *fault,
            span: *span,
        })
        .filter(|planned| !planned.is_beyond_the_emulator())
        .collect()
}

/// The cases to run a scenario with.
pub struct Matrix {
    name: &'static str,
    pairs: bool,
    polling: bool,
    by_message: bool,
    leaving_nothing: bool,
    schedule: &'static str,
    storage: SecretStorage,
}

impl Matrix {
    /// Each call of the scenario fails in turn.
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            pairs: false,
            polling: false,
            by_message: false,
            leaving_nothing: false,
            schedule: "1200",
            storage: SecretStorage::PerEndpoint,
        }
    }

    /// Stores secrets in this way.
    pub fn with_storage(self, storage: SecretStorage) -> Self {
        Self { storage, ..self }
    }

    /// Also tests pairs of faults, if the SDK can recover from the first. After a lasting
    /// fault, a scenario seldom reaches the second.
    pub fn with_pairs(self) -> Self {
        Self {
            pairs: true,
            ..self
        }
    }

    /// For scenarios that delete the app, and check what is left over themselves.
    pub fn leaving_nothing(self) -> Self {
        Self {
            leaving_nothing: true,
            ..self
        }
    }

    /// Runs pollers throughout.
    pub fn polling(self) -> Self {
        Self {
            polling: true,
            ..self
        }
    }

    /// Sets whether the attempts of an event get messages of their own. If not, they are
    /// made at once, as for healthy endpoints.
    pub fn by_message(self, by_message: bool) -> Self {
        Self { by_message, ..self }
    }

    /// Sets the retry schedule, in seconds. By default there is one retry, after 20
    /// minutes.
    pub fn retrying(self, schedule: &'static str) -> Self {
        Self { schedule, ..self }
    }

    /// Runs the scenario for every case, each on its own stage, and checks the state once
    /// everything has settled.
    pub async fn run(self, scenario: impl AsyncFn(&Stage)) {
        let undisturbed = Faults::default();
        let failed = self.play(&scenario, undisturbed.clone()).await;
        assert_eq!(failed, None, "{} fails without faults", self.name);
        let targets = undisturbed.met.lock().unwrap().targets();
        assert!(!targets.is_empty(), "{} makes no calls", self.name);

        let cases = self.cases(&targets);
        let count = cases.len();
        let failed: Vec<_> = stream::iter(cases)
            .map(|faults| self.play(&scenario, faults))
            .buffer_unordered(AT_ONCE)
            .filter_map(async |failed| failed)
            .collect()
            .await;
        #[expect(clippy::print_stdout, reason = "shows the counts of cases")]
        {
            println!(
                "{}, {}{}: {} calls, {count} cases, {} failed",
                self.name,
                self.storage.as_str(),
                if self.by_message { ", by message" } else { "" },
                targets.len(),
                failed.len()
            );
        }
        assert!(failed.is_empty(), "{}: {failed:#?}", self.name);
    }

    fn cases(&self, targets: &[Target]) -> Vec<Faults> {
        let single: Vec<_> = targets
            .iter()
            .flat_map(|target| planned(target, &CUTS))
            .collect();
        let others = targets.iter().flat_map(|target| planned(target, &OTHERS));
        let mut cases: Vec<_> = single
            .iter()
            .cloned()
            .chain(others)
            .map(|one| vec![one])
            .collect();
        if self.pairs {
            for (position, one) in single.iter().enumerate() {
                if one.span == Span::Lasting || one.is_lost_read() {
                    continue;
                }
                let others = single[position + 1..]
                    .iter()
                    .filter(|other| other.target != one.target && !other.is_lost_read());
                cases.extend(others.map(|other| vec![one.clone(), other.clone()]));
            }
        }
        let faults = |planned| Faults {
            planned,
            met: Arc::default(),
        };
        cases.into_iter().map(faults).collect()
    }

    /// Runs one case. If it fails, returns its name and the reason.
    async fn play(&self, scenario: &impl AsyncFn(&Stage), faults: Faults) -> Option<String> {
        let names: Vec<_> = faults.planned.iter().map(Planned::to_string).collect();
        let playing = async {
            let (polling, schedule) = (self.polling, self.schedule);
            let ways = Ways {
                storage: self.storage,
                by_message: self.by_message,
            };
            let stage = Stage::with(ways, faults.clone(), polling, schedule).await;
            scenario(&stage).await;
            if !self.leaving_nothing {
                stage.must_come_to_rest().await;
            }
            // At least one fault must have struck, or the case tested nothing. (The first
            // of two may prevent the second.) With a poller, calls may still be outstanding
            // here.
            let struck = faults.met.lock().unwrap().struck;
            let must_strike = !names.is_empty() && !self.polling;
            assert!(struck > 0 || !must_strike, "no call met the fault");
        };
        let played = AssertUnwindSafe(playing).catch_unwind().await;
        let panic = played.err()?;
        let reason = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Some(format!("{}: {reason:?}", names.join(", ")))
    }
}
