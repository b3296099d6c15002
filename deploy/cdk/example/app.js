// The smallest app: `npx cdk deploy` here deploys the release around this folder.
const { App, CfnOutput, Stack } = require("aws-cdk-lib");
const { WebhookEndpoints } = require("..");

const app = new App();
const stack = new Stack(app, "Webhooks");
const webhooks = new WebhookEndpoints(stack, "Endpoints", {
  releaseDirectory: process.env.RELEASE_DIRECTORY,
  architecture: "x86_64",
  retentionDays: 60,
});
new CfnOutput(stack, "ApiUrl", { value: webhooks.outputs.apiUrl });
