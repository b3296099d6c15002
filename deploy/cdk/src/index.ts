import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { CfnStack } from "aws-cdk-lib";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";

import { outputNames, parameterNames, type Outputs, type Parameters } from "./generated.js";

export type { Outputs, Parameters } from "./generated.js";

export interface WebhookEndpointsProps extends Parameters {
  /**
   * The unpacked release.
   * @default the folder around this package
   */
  readonly releaseDirectory?: string;
}

/**
 * Deploys a release of webhook-endpoints as a nested stack. The functions and the template
 * are assets in the bucket of the bootstrapped environment.
 */
export class WebhookEndpoints extends Construct {
  /** The outputs of the nested stack. */
  readonly outputs: Outputs;

  constructor(scope: Construct, id: string, props: WebhookEndpointsProps = {}) {
    super(scope, id);
    const { releaseDirectory = join(__dirname, "../.."), ...given } = props;
    const architecture = props.architecture ?? "arm64";

    const functions = ["ApiFunction", "DeliverFunction"].map((name) => ({
      name,
      asset: new Asset(this, name, {
        path: join(releaseDirectory, "functions", `${name}-${architecture}.zip`),
      }),
    }));
    let template = readFileSync(join(releaseDirectory, "template.yaml"), "utf8");
    for (const { name, asset } of functions) {
      template = withKey(template, name, asset.s3ObjectKey);
    }
    // In a folder of its own, so that templates of several constructs don't mix.
    const path = join(mkdtempSync(join(tmpdir(), "webhook-endpoints-")), "template.yaml");
    writeFileSync(path, template);

    const parameters: Record<string, string> = { CodeBucket: functions[0]!.asset.s3BucketName };
    for (const [property, name] of Object.entries(parameterNames)) {
      const value = given[property as keyof Parameters];
      if (value !== undefined) parameters[name] = String(value);
    }
    const stack = new CfnStack(this, "Stack", {
      templateUrl: new Asset(this, "Template", { path }).httpUrl,
      parameters,
    });
    const outputs = Object.entries(outputNames).map(([property, name]) => [
      property,
      stack.getAtt(`Outputs.${name}`).toString(),
    ]);
    this.outputs = Object.fromEntries(outputs) as Outputs;
  }
}

/** The template with another key of a function: assets are named by their contents. */
function withKey(template: string, name: string, key: string): string {
  const parts = template.split(new RegExp(`!Sub "webhook-endpoints/[^/"]+/${name}-\\$\\{Architecture\\}\\.zip"`));
  if (parts.length !== 2) throw new Error(`the template has ${parts.length - 1} keys of ${name}`);
  return parts.join(JSON.stringify(key));
}
