//! AWS list prices in us-east-1, on demand and without free tiers, in dollars.

/// A price, and the page on which AWS publishes it.
pub struct Price {
    pub of: &'static str,
    pub dollars: f64,
    pub per: &'static str,
    pub page: &'static str,
}

const fn price(of: &'static str, dollars: f64, per: &'static str, page: &'static str) -> Price {
    Price {
        of,
        dollars,
        per,
        page,
    }
}

pub const HTTP_API: Price = price(
    "API Gateway, HTTP API: requests, of 512 KB each",
    1.00,
    "million",
    "https://aws.amazon.com/api-gateway/pricing/",
);
pub const INVOCATION: Price = price(
    "Lambda: requests",
    0.20,
    "million",
    "https://aws.amazon.com/lambda/pricing/",
);
pub const DURATION: Price = price(
    "Lambda: duration on arm64",
    13.3334,
    "million GB-s",
    "https://aws.amazon.com/lambda/pricing/",
);
pub const QUEUE: Price = price(
    "SQS: requests, of 64 KB each",
    0.40,
    "million",
    "https://aws.amazon.com/sqs/pricing/",
);
pub const FAIR_QUEUE: Price = price(
    "SQS: surcharge for messages with a group (fair queues)",
    0.10,
    "million requests",
    "https://aws.amazon.com/sqs/pricing/",
);
pub const READ: Price = price(
    "DynamoDB: read request units",
    0.125,
    "million",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
);
pub const WRITE: Price = price(
    "DynamoDB: write request units",
    0.625,
    "million",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
);
pub const STORAGE: Price = price(
    "DynamoDB: storage",
    0.25,
    "GB and month",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
);
pub const BACKUP: Price = price(
    "DynamoDB: point-in-time recovery",
    0.20,
    "GB and month",
    "https://aws.amazon.com/dynamodb/pricing/on-demand/",
);
pub const SECRET: Price = price(
    "Secrets Manager: secrets",
    0.40,
    "secret and month",
    "https://aws.amazon.com/secrets-manager/pricing/",
);
pub const SECRET_CALL: Price = price(
    "Secrets Manager: calls",
    5.00,
    "million",
    "https://aws.amazon.com/secrets-manager/pricing/",
);
pub const LOG: Price = price(
    "CloudWatch Logs: ingestion",
    0.50,
    "GB",
    "https://aws.amazon.com/cloudwatch/pricing/",
);
pub const METRIC: Price = price(
    "CloudWatch: custom metrics",
    0.30,
    "metric and month",
    "https://aws.amazon.com/cloudwatch/pricing/",
);
pub const ALARM: Price = price(
    "CloudWatch: alarms",
    0.10,
    "alarm and month",
    "https://aws.amazon.com/cloudwatch/pricing/",
);
pub const TRANSFER: Price = price(
    "Data transfer to the internet",
    0.09,
    "GB",
    "https://aws.amazon.com/ec2/pricing/on-demand/",
);

pub const ALL: [&Price; 15] = [
    &HTTP_API,
    &INVOCATION,
    &DURATION,
    &QUEUE,
    &FAIR_QUEUE,
    &READ,
    &WRITE,
    &STORAGE,
    &BACKUP,
    &SECRET,
    &SECRET_CALL,
    &LOG,
    &METRIC,
    &ALARM,
    &TRANSFER,
];
