//! The guide that a local run prints.
#![expect(clippy::print_stdout, reason = "prints a guide for the developer")]

use std::path::Path;

use local::emulators::Resources;
use local::service::SECRET_PREFIX;
use webhook_endpoints::domain::secret::SecretStorage;

use crate::seed::Seed;

pub(crate) struct Urls {
    pub(crate) api: String,
    pub(crate) receiver: String,
    pub(crate) aws: String,
}

pub(crate) struct Guide<'a> {
    pub(crate) urls: &'a Urls,
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) seed: &'a Seed,
    pub(crate) resources: &'a Resources,
    pub(crate) secret_storage: SecretStorage,
    pub(crate) portal: &'a str,
}

impl Guide<'_> {
    pub(crate) fn print(&self) {
        self.print_calls();
        self.print_rest();
    }

    /// Prints the shell commands that try the API out.
    fn print_calls(&self) {
        let Seed {
            app_id,
            api_key,
            platform_key,
        } = self.seed;
        let platform_key = platform_key.as_deref().unwrap_or_default();
        let Urls { api, receiver, .. } = self.urls;
        println!(
            r#"
webhook-endpoints is running. Paste these commands into another terminal:

export APP={api}/apps/{app_id}
export API={api}/apps/{app_id}/webhooks
export KEY={api_key}
export PLATFORM_KEY={platform_key}

CREATED=$(curl -sS $API -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"url": "{receiver}/hook", "events": ["invoice.*"]}}')
echo "$CREATED"
export ID=$(echo "$CREATED" | sed -E 's/.*"id":"([^"]+)".*/\1/')

curl -sS -X POST $API/$ID/test-ping -H "x-api-key: $KEY"; echo
PUBLISHED=$(curl -sS $APP/events -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"type": "invoice.paid", "data": {{"invoice": "inv_1", "amount": 1200}}}}')
echo "$PUBLISHED"
export EVENT=$(echo "$PUBLISHED" | sed -E 's/.*"id":"([^"]+)".*/\1/')
for _ in 1 2 3 4 5 6 7 8 9; do  # the event takes a moment to arrive
  HISTORY=$(curl -sS $API/$ID/deliveries -H "x-api-key: $KEY")
  case $HISTORY in *'"event":"invoice.paid","status":"DELIVERED"'*) break;; esac
  sleep 0.2
done
echo "$HISTORY"
export DELIVERY=$(echo "$HISTORY" | sed -E 's/.*"items":\[\{{"id":"([^"]+)".*/\1/')
curl -sS $APP/events/$EVENT -H "x-api-key: $KEY"; echo
curl -sS $API/$ID/deliveries/$DELIVERY -H "x-api-key: $KEY"; echo
curl -sS -X POST $API/$ID/rotate-secret -H "x-api-key: $KEY"; echo
curl -sS -X PUT $API/$ID -H "x-api-key: $KEY" -H 'content-type: application/json' \
  -d '{{"active": false}}'; echo
curl -sS $API -H "x-api-key: $KEY"; echo
curl -sS -X DELETE $API/$ID -H "x-api-key: $KEY" -w '%{{http_code}}\n'
"#
        );
    }

    fn print_rest(&self) {
        let Resources {
            table_name,
            queue_url,
            slow_queue_url,
            dead_letter_queue_url,
            ..
        } = self.resources;
        let (aws, portal) = (&self.urls.aws, self.portal);
        let storage = self.secret_storage.as_str();
        let state = match self.data_dir {
            Some(dir) => format!(" State is saved in {}.", dir.display()),
            None => " State is kept in memory and lost on exit.".to_owned(),
        };
        println!(
            r#"For the admin command, and for functions that run as separate processes:

export AWS_ENDPOINT_URL={aws} AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export TABLE_NAME={table_name} SECRET_PREFIX={SECRET_PREFIX} QUEUE_URL={queue_url} SLOW_QUEUE_URL={slow_queue_url}
export DEAD_LETTER_QUEUE_URL={dead_letter_queue_url} SECRET_STORAGE={storage}

This link opens the customer portal as a user of the app would see it, for a week:

{portal}

Ctrl-C stops it.{state}
"#
        );
    }
}
