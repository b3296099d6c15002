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
   * Requests per second that the API accepts from all callers together. Callers above the limit get a 429.
   * @default 100
   */
  readonly throttlingRateLimit?: number;
  /**
   * Size of the largest request burst that the API accepts before ThrottlingRateLimit applies. Callers above it get a 429.
   * @default 200
   */
  readonly throttlingBurstLimit?: number;
  /**
   * Concurrent executions of the account that are reserved for the API function, which then cannot run more. 0 reserves none. Lambda refuses a reservation that leaves fewer than 100 unreserved.
   * @default 0
   */
  readonly apiReservedConcurrency?: number;
  /**
   * Title of the customer portal, such as the name of your product.
   * @default "Webhooks"
   */
  readonly portalTitle?: string;
  /**
   * URL of a logo for the customer portal. Browsers load it from there.
   * @default ""
   */
  readonly portalLogoUrl?: string;
  /**
   * Colour of the customer portal's buttons and links. It is made darker or lighter where it would be illegible.
   * @default "#3f51d6"
   */
  readonly portalAccentColor?: string;
  /**
   * Origins whose pages may show the customer portal in a frame, such as https://app.example.com. Empty if none may.
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
   * Origins whose web pages may call the API from a browser (CORS). * allows all, empty none. The portal needs none.
   * @default ""
   */
  readonly corsAllowOrigins?: string;
  /**
   * Base URL of links to the portal, without /portal/. Set it for a custom domain with a base path, and for a proxy in front of the API. If empty, links have the domain that API Gateway was called by.
   * @default ""
   */
  readonly portalUrl?: string;
  /**
   * Whether the API refuses events and subscriptions of types that are not in the catalogue of event types. Messages that other services put on the queue are not checked.
   * @default "false"
   */
  readonly strictEventTypes?: "true" | "false";
  /**
   * Seconds that one attempt may take, from DNS resolution to the last byte of the response. If the head of the response has not arrived by then, the attempt fails.
   * @default 15
   */
  readonly deliveryTimeoutSeconds?: number;
  /**
   * Comma-separated waits in seconds, one before each retry. When the last retry fails, the delivery fails. Each wait is randomized by up to 20 percent.
   * @default "5,300,1800,7200,18000,36000,50400,72000,86400"
   */
  readonly retryScheduleSeconds?: string;
  /**
   * Days for which every attempt must fail before the service disables an endpoint. A disabled endpoint gets no events until it is activated again.
   * @default 5
   */
  readonly disableAfterDays?: number;
  /**
   * Maximum number of delivery functions that run at once, each with a batch of up to 10 messages. Higher values deliver faster and use more of the account's Lambda concurrency.
   * @default 20
   */
  readonly deliveryMaxConcurrency?: number;
  /**
   * Maximum concurrent delivery functions of the slow lane, each with up to 100 messages. It takes endpoints that are slow or failing, retries and recoveries; more makes them faster and costs more while they hang.
   * @default 5
   */
  readonly slowMaxConcurrency?: number;
  /**
   * Seconds that a delivery attempt may be under way before its endpoint counts as slow and its deliveries move to the slow lane.
   * @default 3
   */
  readonly slowAfterSeconds?: number;
  /**
   * Seconds that an endpoint has to fail, without a success, before it is paused. Deliveries then wait, and one probe at a time goes out, until one succeeds.
   * @default 60
   */
  readonly pauseAfterSeconds?: number;
  /**
   * Deliveries that are sent per second to an endpoint that works again, until all that waited have been sent.
   * @default 20
   */
  readonly drainPerSecond?: number;
  /**
   * Days to keep deliveries, event payloads and idempotency keys. Must cover what can be pending (15 days by default), or the delivery function refuses to start. Each retry can take a day (Retry-After), plus DisableAfterDays.
   * @default 30
   */
  readonly retentionDays?: number;
  /**
   * How new signing secrets are kept. PerEndpoint stores each in Secrets Manager, for $0.40 a month. Sealed stores it in the table, sealed to a key pair whose private key is the one secret in Secrets Manager.
   * @default "PerEndpoint"
   */
  readonly secretStorage?: "PerEndpoint" | "Sealed";
  /**
   * Prefix of the signing secrets' names. Give each stack its own. Do not change it once endpoints exist, or deliveries to them will fail.
   * @default "webhook-endpoints"
   */
  readonly secretPrefix?: string;
  /**
   * ARN of a symmetric KMS key of this Region that encrypts the table and the queues. Its policy has to allow what docs/deploying.md lists. Empty for keys that AWS manages.
   * @default ""
   */
  readonly kmsKeyArn?: string;
  /**
   * Body that receivers get. standard has type, timestamp and data. data is the data of the event alone, and flat has its fields beside a field event with the type.
   * @default "standard"
   */
  readonly payloadFormat?: "standard" | "data" | "flat";
  /**
   * Whether deliveries have webhook-id, webhook-timestamp and webhook-signature. false needs HeaderPrefix or SignatureHeaders, or the delivery function refuses to start.
   * @default "true"
   */
  readonly standardHeaders?: "true" | "false";
  /**
   * Prefix by which deliveries have the same three headers as well. svix, for example, adds svix-id, svix-timestamp and svix-signature.
   * @default "webhook"
   */
  readonly headerPrefix?: string;
  /**
   * Headers with further signatures, for receivers that verify another scheme than Standard Webhooks. A JSON list of up to 5 objects; docs/signatures.md describes them.
   * @default ""
   */
  readonly signatureHeaders?: string;
  /**
   * Further headers that say what is delivered. A JSON object of up to 10 names with values, in which {type}, {id}, {attempt}, {timestamp}, {app} and {endpoint} are replaced.
   * @default ""
   */
  readonly eventHeaders?: string;
  /**
   * Ports that URLs of endpoints may have. Others are refused at registration and before each attempt.
   * @default "443,1024-65535"
   */
  readonly allowedPorts?: string;
  /**
   * Public addresses that no delivery may go to, such as your own load balancers. Private, local and reserved ones are always refused.
   * @default ""
   */
  readonly blockedCidrs?: string;
  /**
   * Private addresses that deliveries may go to, for receivers in your own network. Every app can then register them, so keep this narrow. Needs VpcSubnetIds.
   * @default ""
   */
  readonly allowedPrivateCidrs?: string;
  /**
   * Private subnets for the delivery function, with a route to a NAT gateway, whose address all deliveries then come from. Empty if it needs no VPC.
   * @default ""
   */
  readonly vpcSubnetIds?: string;
  /**
   * Security groups for the delivery function in VpcSubnetIds. They need no inbound rule.
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
   * Name of an existing EventBridge event bus of this account and Region, such as default, that gets an event when endpoints fail, are paused, recover or are disabled, deliveries fail and apps are deleted.
   * @default ""
   */
  readonly operationalEventBus?: string;
}

/** The stack's outputs. */
export interface Outputs {
  /** Base URL of the API. Paths start with /apps. */
  readonly apiUrl: string;
  /** DynamoDB table of endpoints, deliveries and API keys. It is kept when the stack is deleted. */
  readonly tableName: string;
  /** URL of the delivery queue. */
  readonly queueUrl: string;
  /** ARN of the delivery queue, for IAM policies and redrives. */
  readonly queueArn: string;
  /** URL of the slow lane's queue */
  readonly slowQueueUrl: string;
  /** URL of the dead-letter queue, which holds messages that the delivery function could not read or kept failing on. */
  readonly deadLetterQueueUrl: string;
  /** Prefix of the signing secrets' names. */
  readonly secretPrefix: string;
  /** Name of the API function. */
  readonly apiFunctionName: string;
  /** Name of the delivery function. */
  readonly deliverFunctionName: string;
  /** Environment variables for the admin command. Put them in front of it, for example of webhook-endpoints-admin keys create --platform, which makes the platform's first API key. */
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
