//! Fault matrices: a scenario is played once undisturbed, which shows its AWS
//! calls, and then again and again with one or two of them failing.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::{FutureExt, StreamExt, stream};
use serde_json::Value;

use super::stage::Stage;
use super::wire::{Fault, Wire, is_of_a_poller};

/// Stages that are played on at the same time. They mostly wait for the SDK's
/// pauses between its tries.
const AT_ONCE: usize = 12;

/// A call within a scenario: which of the different requests of its operation.
/// The SDK repeats a request as it was, so its tries are the same call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    operation: String,
    index: usize,
}

/// That AWS asks for fewer calls.
const THROTTLED: Fault = Fault::Refused(
    r#"{"__type": "com.amazonaws#ThrottlingException", "message": "Rate exceeded"}"#,
);

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// It meets the first try of the SDK, and none after it.
    Once,
    /// It meets every try.
    Lasting,
}

/// A fault that a case has in store.
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
    /// To lose what a reading brought is the same as not to read.
    fn is_lost_reading(&self) -> bool {
        let readings = ["BatchGetItem", "GetItem", "GetSecretValue", "Query"];
        self.fault == Fault::After && readings.contains(&self.target.operation.as_str())
    }

    /// The embedded Secrets Manager refuses a repeated `CreateSecret` of the
    /// same `ClientRequestToken`, where AWS answers as it did the first time.
    /// So it can't show what one lost answer comes to.
    fn is_beyond_the_emulator(&self) -> bool {
        self.target.operation == "CreateSecret"
            && matches!(self.fault, Fault::After | Fault::Late)
            && self.span == Span::Once
    }
}

/// What a case met on the wire.
#[derive(Debug, Default)]
struct Met {
    seen: Vec<(String, Value)>,
    struck: usize,
}

/// The faults of a case, for a wire.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    planned: Vec<Planned>,
    met: Arc<Mutex<Met>>,
}

impl Faults {
    /// From now on the wire has these faults.
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
                Span::Once => Some(planned.remove(position).fault),
                Span::Lasting => Some(planned[position].fault),
            }
        });
    }
}

impl Met {
    /// The call that a request belongs to.
    fn target(&mut self, operation: &str, body: Value) -> Target {
        let request = (operation.to_owned(), body);
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

/// Faults that are met alone, and in pairs.
const CUTS: [(Fault, Span); 4] = [
    (Fault::Before, Span::Once),
    (Fault::Before, Span::Lasting),
    (Fault::After, Span::Once),
    (Fault::After, Span::Lasting),
];

/// Faults that are met alone.
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

/// Faults to play a scenario with.
pub struct Matrix {
    name: &'static str,
    pairs: bool,
    polling: bool,
    schedule: &'static str,
}

impl Matrix {
    /// Every call of the scenario failing, one at a time.
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            pairs: false,
            polling: false,
            schedule: "1200",
        }
    }

    /// And two at a time, the earlier one passing. After one that lasts, the
    /// scenario seldom comes to the later one.
    pub fn with_pairs(self) -> Self {
        Self {
            pairs: true,
            ..self
        }
    }

    /// Something reads the queue all the time.
    pub fn polling(self) -> Self {
        Self {
            polling: true,
            ..self
        }
    }

    /// Failed attempts are tried again after these waits.
    pub fn retrying(self, schedule: &'static str) -> Self {
        Self { schedule, ..self }
    }

    /// Plays the scenario in every case, each on a stage of its own, and looks
    /// what it has left when all has come to rest.
    pub async fn run(self, scenario: impl AsyncFn(&Stage)) {
        let undisturbed = Faults::default();
        let failed = self.play(&scenario, undisturbed.clone()).await;
        assert_eq!(failed, None, "{} fails without any fault", self.name);
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
        #[expect(clippy::print_stdout, reason = "the counts are what one wants to see")]
        {
            println!(
                "{}: {} calls, {count} cases, {} failed",
                self.name,
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
                if one.span == Span::Lasting || one.is_lost_reading() {
                    continue;
                }
                let others = single[position + 1..]
                    .iter()
                    .filter(|other| other.target != one.target && !other.is_lost_reading());
                cases.extend(others.map(|other| vec![one.clone(), other.clone()]));
            }
        }
        let faults = |planned| Faults {
            planned,
            met: Arc::default(),
        };
        cases.into_iter().map(faults).collect()
    }

    /// The name of the case if it fails.
    async fn play(&self, scenario: &impl AsyncFn(&Stage), faults: Faults) -> Option<String> {
        let names: Vec<_> = faults.planned.iter().map(Planned::to_string).collect();
        let playing = async {
            let stage = Stage::start(faults.clone(), self.polling, self.schedule).await;
            scenario(&stage).await;
            stage.must_come_to_rest().await;
            // Of two faults, the first may keep the second from being met. And
            // what happens by itself may be late.
            let struck = faults.met.lock().unwrap().struck;
            let sure = !names.is_empty() && !self.polling;
            assert!(struck > 0 || !sure, "the fault was not met");
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
