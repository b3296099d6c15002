//! Tests of the service through its public interfaces: HTTP requests, queue messages and
//! the webhooks it sends. Each test starts its own AWS emulators.

#![expect(
    unreachable_pub,
    reason = "a test binary has no public surface; `pub` marks what tests use from `support`"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test; Clippy's exemption for tests leaves out helper functions"
)]

mod support;

mod address_registries;
mod amplification;
mod api_keys;
mod app_deletion;
mod apps;
mod at_once;
mod auth;
mod aws_calls;
mod backlog;
mod bad_bodies;
mod bad_requests;
mod batch;
mod batch_copies;
mod batch_costs;
mod batch_deadline;
mod bodies;
mod budgets;
mod budgets_of_searches;
mod changes;
mod channels;
mod connections;
mod connections_http2;
mod cors;
mod costs;
mod dead_letters;
mod decoding;
mod delivery_detail;
mod descriptors;
mod differing_events;
mod disabling;
mod documented_calls;
mod documented_facts;
mod documented_tests;
mod drain;
mod egress;
mod ephemeral;
mod event_deletion;
mod event_detail;
mod event_types;
mod events;
mod fan_out;
mod fault_matrix;
mod fault_matrix_apps;
mod fault_matrix_deliveries;
mod fault_matrix_events;
mod fault_matrix_headers;
mod fault_matrix_notices;
mod fault_matrix_pauses;
mod fault_matrix_resending;
mod fault_matrix_types;
mod faults;
mod faults_transactions;
mod filter_test;
mod filters;
mod gateway_events;
mod health_writes;
mod history;
mod history_filters;
mod idempotency;
mod inactive;
mod interrupted;
mod interrupted_deletion;
mod isolation;
mod key;
mod labels;
mod lanes;
mod layers;
mod lenient;
mod limits;
mod log_bytes;
mod moved_secrets;
mod odd_heads;
mod one_endpoint;
mod openapi;
mod operational_app;
mod operational_bus;
mod operational_webhooks;
mod outage;
mod outcomes;
mod overlap;
mod overlap_moved;
mod own_headers;
mod own_secrets;
mod paging;
mod pause;
mod pause_metrics;
mod payload_format;
mod ping;
mod portal;
mod portal_files;
mod portal_sessions;
mod portal_sessions_of_one_endpoint;
mod probes;
mod properties;
mod publish;
mod publish_batch;
mod publish_keys;
mod queue;
mod queue_events;
mod queue_messages;
mod races;
mod races_of_apps;
mod races_of_pauses;
mod races_of_types;
mod rate_limit;
mod recipes;
mod recover;
mod redrive;
mod reference;
mod replay;
mod replay_requests;
mod resend;
mod retries;
mod rotation;
mod routing;
mod scopes;
mod sealed;
mod sealing_key;
mod secrecy;
mod soak;
mod strict_types;
mod sweep;
mod sweep_metrics;
mod template;
mod tls_failures;
mod typed_pings;
mod units;
mod unreadable_items;
mod upgrades;
mod upgrades_coverage;
mod webhook_headers;
mod webhooks;
