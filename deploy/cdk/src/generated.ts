// Generated from template.yaml by `just generate-deploy`.

/** The template's parameters. */
export interface Parameters {
  /**
   * Processor architecture of both functions.
   * @default "arm64"
   */
  readonly architecture?: "arm64" | "x86_64";
  /**
   * Lowest severity that the functions log. debug logs the most.
   * @default "info"
   */
  readonly logLevel?: "error" | "warn" | "info" | "debug";
  /**
   * Days to keep the function logs and the API access log. CloudWatch then deletes them.
   * @default 30
   */
  readonly logRetentionDays?: 1 | 3 | 5 | 7 | 14 | 30 | 60 | 90 | 120 | 150 | 180 | 365 | 400 | 545 | 731 | 1096 | 1827 | 2192 | 2557 | 2922 | 3288 | 3653;
  /**
   * Active sends a sample of requests to X-Ray, which charges per trace. PassThrough starts no traces of its own.
   * @default "PassThrough"
   */
  readonly tracing?: "PassThrough" | "Active";
  /**
   * Requests per second that the API accepts from all callers combined. Requests above the limit get a 429.
   * @default 100
   */
  readonly throttlingRateLimit?: number;
  /**
   * Largest burst of requests that the API accepts before ThrottlingRateLimit applies. Requests above it get a 429.
   * @default 200
   */
  readonly throttlingBurstLimit?: number;
  /**
   * Concurrent executions to reserve for the API function, out of the account's total. It then cannot exceed that number. 0 reserves none. Lambda rejects a reservation that leaves fewer than 100 unreserved.
   * @default 0
   */
  readonly apiReservedConcurrency?: number;
  /**
   * Title of the customer portal, such as the name of your product.
   * @default "Webhooks"
   */
  readonly portalTitle?: string;
  /**
   * URL of a logo for the customer portal. Customers' browsers load it from this URL.
   * @default ""
   */
  readonly portalLogoUrl?: string;
  /**
   * Colour of the customer portal's buttons and links. The portal darkens or lightens it where it would be hard to read.
   * @default "#3f51d6"
   */
  readonly portalAccentColor?: string;
  /**
   * Origins whose pages may show the customer portal in a frame, such as https://app.example.com. If empty, none may.
   * @default ""
   */
  readonly portalFrameAncestors?: string;
  /**
   * Seconds that a test ping request waits for the outcome before it returns 202. Callers can override this with the Prefer header.
   * @default 10
   */
  readonly pingWaitSeconds?: number;
  /**
   * Seconds that a checked API key is trusted without another lookup. A revoked key may keep working for this long. 0 looks up the key on every request.
   * @default 10
   */
  readonly apiKeyCacheSeconds?: number;
  /**
   * Origins whose web pages may call the API from a browser (CORS). * allows all, empty allows none. The portal does not need this.
   * @default ""
   */
  readonly corsAllowOrigins?: string;
  /**
   * Base URL of links to the portal, without /portal/. Set it if the API has a custom domain with a base path or is behind a proxy. If empty, links use the domain of the API request that created them.
   * @default ""
   */
  readonly portalUrl?: string;
  /**
   * Whether the API rejects events and subscriptions whose type is not in the event type catalogue. Messages that other services put on the queue are not checked.
   * @default "false"
   */
  readonly strictEventTypes?: "true" | "false";
  /**
   * Seconds that one attempt may take, from DNS resolution to the last byte of the response. If the response's status line and headers have not arrived by then, the attempt fails.
   * @default 15
   */
  readonly deliveryTimeoutSeconds?: number;
  /**
   * Comma-separated waits in seconds, one before each retry. If the last retry fails, the delivery fails. Each wait is randomized by up to 20 percent.
   * @default "5,300,1800,7200,18000,36000,50400,72000,86400"
   */
  readonly retryScheduleSeconds?: string;
  /**
   * Days that every attempt must fail before the service disables an endpoint. A disabled endpoint gets no events until it is activated again.
   * @default 5
   */
  readonly disableAfterDays?: number;
  /**
   * Maximum number of concurrent delivery function invocations, each with a batch of up to 10 messages. Higher values deliver faster and use more of the account's Lambda concurrency.
   * @default 20
   */
  readonly deliveryMaxConcurrency?: number;
  /**
   * Maximum number of concurrent delivery function invocations for the slow lane, each with up to 100 messages. The slow lane handles slow and failing endpoints, retries and recoveries. Higher values deliver these faster but cost more while receivers hang.
   * @default 5
   */
  readonly slowMaxConcurrency?: number;
  /**
   * Seconds that a delivery attempt may take before its endpoint counts as slow and its deliveries move to the slow lane.
   * @default 3
   */
  readonly slowAfterSeconds?: number;
  /**
   * Seconds that an endpoint must fail, without a success, before it is paused. Its deliveries then wait while one delivery at a time is sent as a probe, until one succeeds.
   * @default 60
   */
  readonly pauseAfterSeconds?: number;
  /**
   * Deliveries per second to an endpoint that has recovered from a pause, until all that waited have been sent.
   * @default 20
   */
  readonly drainPerSecond?: number;
  /**
   * Days to keep deliveries, event payloads and idempotency keys. Must cover the longest time a delivery can be pending (15 days by default), or the delivery function refuses to start. Each retry can wait for a day (Retry-After), and DisableAfterDays is added to that.
   * @default 30
   */
  readonly retentionDays?: number;
  /**
   * How new signing secrets are stored. PerEndpoint stores each in Secrets Manager, for $0.40 a month. Sealed stores them in the table, encrypted to a key pair whose private key is the only secret in Secrets Manager.
   * @default "PerEndpoint"
   */
  readonly secretStorage?: "PerEndpoint" | "Sealed";
  /**
   * Prefix of the signing secrets' names. Give each stack its own. Do not change it once endpoints exist, or deliveries to them will fail.
   * @default "webhook-endpoints"
   */
  readonly secretPrefix?: string;
  /**
   * ARN of a symmetric KMS key in this Region to encrypt the table and the queues with. Its policy must allow what docs/deploying.md lists. If empty, AWS managed keys are used.
   * @default ""
   */
  readonly kmsKeyArn?: string;
  /**
   * Body that receivers get. standard has type, timestamp and data. data is only the event's data. flat has the fields of the data, and a field event with the type.
   * @default "standard"
   */
  readonly payloadFormat?: "standard" | "data" | "flat";
  /**
   * Whether deliveries have webhook-id, webhook-timestamp and webhook-signature. If false, HeaderPrefix or SignatureHeaders must be set, or the delivery function refuses to start.
   * @default "true"
   */
  readonly standardHeaders?: "true" | "false";
  /**
   * Prefix under which deliveries have the same three headers again. svix, for example, adds svix-id, svix-timestamp and svix-signature.
   * @default "webhook"
   */
  readonly headerPrefix?: string;
  /**
   * Headers with additional signatures, for receivers that verify a scheme other than Standard Webhooks. A JSON list of up to 5 objects; see docs/signatures.md.
   * @default ""
   */
  readonly signatureHeaders?: string;
  /**
   * Additional headers that describe the event. A JSON object of up to 10 names and values. {type}, {id}, {attempt}, {timestamp}, {app} and {endpoint} are replaced in the values.
   * @default ""
   */
  readonly eventHeaders?: string;
  /**
   * Ports that endpoint URLs may use. Others are rejected at registration and before each attempt.
   * @default "443,1024-65535"
   */
  readonly allowedPorts?: string;
  /**
   * Public addresses that no delivery may go to, such as your own load balancers. Private, local and reserved addresses are blocked anyway.
   * @default ""
   */
  readonly blockedCidrs?: string;
  /**
   * Private addresses that deliveries may go to, for receivers in your own network. Every app can then register them, so allow as few as possible. Requires VpcSubnetIds.
   * @default ""
   */
  readonly allowedPrivateCidrs?: string;
  /**
   * Private subnets for the delivery function, with a route to a NAT gateway. All deliveries then come from the gateway's address. If empty, the function is not attached to a VPC.
   * @default ""
   */
  readonly vpcSubnetIds?: string;
  /**
   * Security groups for the delivery function in VpcSubnetIds. They need no inbound rules.
   * @default ""
   */
  readonly vpcSecurityGroupIds?: string;
  /**
   * Email address that receives the alarms after it confirms the SNS subscription. Ignored if AlarmTopicArn is set. If both are empty, alarms notify nobody.
   * @default ""
   */
  readonly alarmEmail?: string;
  /**
   * ARN of an existing SNS topic that receives the alarms. CloudWatch must be allowed to publish to it.
   * @default ""
   */
  readonly alarmTopicArn?: string;
  /**
   * Name of an existing EventBridge event bus in this account and Region, such as default. It gets an event when an endpoint fails, is paused, recovers or is disabled, a delivery fails, or an app is deleted.
   * @default ""
   */
  readonly operationalEventBus?: string;
}

/** The stack's outputs. */
export interface Outputs {
  /** Base URL of the API. Paths start with /apps. */
  readonly apiUrl: string;
  /** DynamoDB table with the endpoints, deliveries and API keys. It is kept when the stack is deleted. */
  readonly tableName: string;
  /** URL of the delivery queue. */
  readonly queueUrl: string;
  /** ARN of the delivery queue, for IAM policies and redrives. */
  readonly queueArn: string;
  /** URL of the slow lane's queue. */
  readonly slowQueueUrl: string;
  /** URL of the dead-letter queue, which holds messages that the delivery function could not read or kept failing on. */
  readonly deadLetterQueueUrl: string;
  /** Prefix of the signing secrets' names. */
  readonly secretPrefix: string;
  /** Name of the API function. */
  readonly apiFunctionName: string;
  /** Name of the delivery function. */
  readonly deliverFunctionName: string;
  /** Environment variables for the admin command. Put them in front of it, for example in front of webhook-endpoints-admin keys create --platform, which creates the platform's first API key. */
  readonly adminEnvironment: string;
}

export const parameterNames: Record<keyof Parameters, string> = {
  architecture: "Architecture",
  logLevel: "LogLevel",
  logRetentionDays: "LogRetentionDays",
  tracing: "Tracing",
  throttlingRateLimit: "ThrottlingRateLimit",
  throttlingBurstLimit: "ThrottlingBurstLimit",
  apiReservedConcurrency: "ApiReservedConcurrency",
  portalTitle: "PortalTitle",
  portalLogoUrl: "PortalLogoUrl",
  portalAccentColor: "PortalAccentColor",
  portalFrameAncestors: "PortalFrameAncestors",
  pingWaitSeconds: "PingWaitSeconds",
  apiKeyCacheSeconds: "ApiKeyCacheSeconds",
  corsAllowOrigins: "CorsAllowOrigins",
  portalUrl: "PortalUrl",
  strictEventTypes: "StrictEventTypes",
  deliveryTimeoutSeconds: "DeliveryTimeoutSeconds",
  retryScheduleSeconds: "RetryScheduleSeconds",
  disableAfterDays: "DisableAfterDays",
  deliveryMaxConcurrency: "DeliveryMaxConcurrency",
  slowMaxConcurrency: "SlowMaxConcurrency",
  slowAfterSeconds: "SlowAfterSeconds",
  pauseAfterSeconds: "PauseAfterSeconds",
  drainPerSecond: "DrainPerSecond",
  retentionDays: "RetentionDays",
  secretStorage: "SecretStorage",
  secretPrefix: "SecretPrefix",
  kmsKeyArn: "KmsKeyArn",
  payloadFormat: "PayloadFormat",
  standardHeaders: "StandardHeaders",
  headerPrefix: "HeaderPrefix",
  signatureHeaders: "SignatureHeaders",
  eventHeaders: "EventHeaders",
  allowedPorts: "AllowedPorts",
  blockedCidrs: "BlockedCidrs",
  allowedPrivateCidrs: "AllowedPrivateCidrs",
  vpcSubnetIds: "VpcSubnetIds",
  vpcSecurityGroupIds: "VpcSecurityGroupIds",
  alarmEmail: "AlarmEmail",
  alarmTopicArn: "AlarmTopicArn",
  operationalEventBus: "OperationalEventBus",
};

export const outputNames: Record<keyof Outputs, string> = {
  apiUrl: "ApiUrl",
  tableName: "TableName",
  queueUrl: "QueueUrl",
  queueArn: "QueueArn",
  slowQueueUrl: "SlowQueueUrl",
  deadLetterQueueUrl: "DeadLetterQueueUrl",
  secretPrefix: "SecretPrefix",
  apiFunctionName: "ApiFunctionName",
  deliverFunctionName: "DeliverFunctionName",
  adminEnvironment: "AdminEnvironment",
};
