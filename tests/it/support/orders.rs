//! Realistic event data. It compresses like the JSON of real events: names and words
//! repeat, ids do not.

use serde_json::{Value, json};

/// Returns an order whose JSON has exactly this many bytes, at least 500.
pub fn order_of(bytes: usize) -> Value {
    let mut ids = Ids(0x2545_f491_4f6c_dd1d);
    let mut order = json!({
        "orderId": ids.next(), "customerId": ids.next(), "placedAt": "2026-11-24T17:35:01.363Z",
        "address": {"street": "Calle Mayor 12", "city": "Madrid", "country": "ES"},
        "payment": {"id": ids.next(), "method": "card", "last4": "4242"},
        "total": 20_587, "items": [], "note": "",
    });
    let names = [
        "Espresso cup",
        "Milk jug, 0.5 l",
        "Coffee grinder",
        "Filter paper",
    ];
    let mut left = bytes - order.to_string().len();
    for number in 0_usize.. {
        let item = json!({
            "sku": ids.next(), "name": names[number % names.len()],
            "quantity": number % 7 + 1, "unitPrice": number * 173 % 5000, "currency": "EUR",
        });
        let own = item.to_string().len() + usize::from(number > 0);
        if own > left {
            break;
        }
        left -= own;
        order["items"]
            .as_array_mut()
            .expect("read the items")
            .push(item);
    }
    // The note pads the order to its exact size.
    let words = "Please ring twice; the parcel may go to the neighbour on the second floor. ";
    order["note"] = words.chars().cycle().take(left).collect::<String>().into();
    assert_eq!(order.to_string().len(), bytes);
    order
}

/// A pseudorandom sequence of ids, the same in each run.
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> String {
        let (a, b) = (self.step(), self.step());
        uuid::Uuid::from_u64_pair(a, b).to_string()
    }

    /// Marsaglia's xorshift.
    fn step(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
