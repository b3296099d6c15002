// What a stack of a template has with some parameters: conditions and intrinsic functions
// replaced by values, as CloudFormation does it.

export const ACCOUNT = '111122223333';
export const REGION = 'us-east-1';

/** An id such as CloudFormation appends to names. */
const SUFFIX = '1A2B3C4D5E6F';

const arn = (service, resource, region = REGION) => `arn:aws:${service}:${region}:${ACCOUNT}:${resource}`;

/** What `Ref` and `GetAtt` return, by the type of a resource and its physical name. */
const ATTRIBUTES = {
  'AWS::DynamoDB::Table': (name) => ({ Ref: name, Arn: arn('dynamodb', `table/${name}`) }),
  'AWS::SQS::Queue': (name) => ({
    Ref: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${name}`,
    Arn: arn('sqs', name),
    QueueName: name,
  }),
  'AWS::Logs::LogGroup': (name) => ({ Ref: name, Arn: arn('logs', `log-group:${name}:*`) }),
  'AWS::Events::Rule': (name) => ({ Ref: name, Arn: arn('events', `rule/${name}`) }),
  'AWS::Events::Connection': (name) => ({ Ref: name, Arn: arn('events', `connection/${name}/${SUFFIX}`) }),
  'AWS::Events::ApiDestination': (name) => ({ Ref: name, Arn: arn('events', `api-destination/${name}/${SUFFIX}`) }),
  'AWS::Pipes::Pipe': (name) => ({ Ref: name, Arn: arn('pipes', `pipe/${name}`) }),
  'AWS::IAM::Role': (name) => ({ Ref: name, Arn: arn('iam', `role/${name}`, '') }),
  'AWS::Lambda::Function': (name) => ({ Ref: name, Arn: arn('lambda', `function:${name}`) }),
  'AWS::SNS::Topic': (name) => ({ Ref: arn('sns', name), Arn: arn('sns', name), TopicArn: arn('sns', name) }),
  'AWS::KMS::Key': () => ({ Ref: '8f14e45f-0000', Arn: arn('kms', 'key/8f14e45f-ceea-467f-a5e6-1c0b8c1e2d3f') }),
  'AWS::CloudWatch::Alarm': (name) => ({ Ref: name, Arn: arn('cloudwatch', `alarm:${name}`) }),
  'AWS::ApiGatewayV2::Api': () => ({ Ref: 'a1b2c3d4e5' }),
};

/** Properties that name a resource. The others get names from CloudFormation. */
const NAMES = ['QueueName', 'LogGroupName', 'TableName', 'RoleName', 'FunctionName', 'TopicName'];

const NOTHING = Symbol('AWS::NoValue');

export class Stack {
  #template;
  #parameters;

  constructor(template, parameters, name = 'hooks') {
    this.#template = template;
    this.name = name;
    this.#parameters = {
      'AWS::AccountId': ACCOUNT,
      'AWS::Region': REGION,
      'AWS::Partition': 'aws',
      'AWS::URLSuffix': 'amazonaws.com',
      'AWS::StackName': name,
      'AWS::NoValue': NOTHING,
    };
    for (const [parameter, { Default }] of Object.entries(template.Parameters ?? {})) {
      const value = parameters[parameter] ?? Default;
      if (value === undefined) throw new Error(`the parameter ${parameter} needs a value`);
      this.#parameters[parameter] = String(value);
    }
    for (const parameter of Object.keys(parameters)) {
      if (!(parameter in this.#parameters)) throw new Error(`there is no parameter ${parameter}`);
    }
  }

  /** The value of a parameter. */
  parameter(name) {
    return this.#parameters[name];
  }

  /** The ids of the resources that exist with these parameters, by type if one is given. */
  ids(type) {
    return Object.entries(this.#template.Resources)
      .filter(([, resource]) => type === undefined || resource.Type === type)
      .filter(([, { Condition }]) => Condition === undefined || this.#condition(Condition))
      .map(([id]) => id);
  }

  has(id) {
    return this.ids().includes(id);
  }

  type(id) {
    return this.#template.Resources[id].Type;
  }

  /** A property of a resource. */
  property(id, name) {
    const value = this.#value(this.#template.Resources[id].Properties?.[name]);
    return value === NOTHING ? undefined : value;
  }

  arn(id) {
    return this.#attribute(id, 'Arn');
  }

  ref(id) {
    return this.#attribute(id, 'Ref');
  }

  #attribute(id, name) {
    const resource = this.#template.Resources[id];
    if (!resource) throw new Error(`there is no resource ${id}`);
    const attributes = ATTRIBUTES[resource.Type];
    const own = NAMES.find((property) => resource.Properties?.[property] !== undefined);
    const physical = own ? this.property(id, own) : `${this.name}-${id}-${SUFFIX}`;
    const value = attributes?.(physical)[name];
    if (value === undefined) throw new Error(`which ${name} has a ${resource.Type}? Add it to stack.mjs`);
    return value;
  }

  #ref(name) {
    return name in this.#parameters ? this.#parameters[name] : this.#attribute(name, 'Ref');
  }

  #condition(name) {
    const condition = this.#template.Conditions?.[name];
    if (!condition) throw new Error(`there is no condition ${name}`);
    return this.#value(condition);
  }

  #value(value) {
    if (Array.isArray(value)) {
      return value.map((item) => this.#value(item)).filter((item) => item !== NOTHING);
    }
    if (typeof value !== 'object' || value === null) return value;
    const [[key, argument], ...others] = Object.entries(value).length ? Object.entries(value) : [[]];
    if (others.length === 0 && (key === 'Ref' || key === 'Condition' || key?.startsWith('Fn::'))) {
      // A statement's condition is an object, that of a template a name.
      if (key !== 'Condition' || typeof argument === 'string') return this.#call(key, argument);
    }
    const entries = Object.entries(value).map(([name, item]) => [name, this.#value(item)]);
    return Object.fromEntries(entries.filter(([, item]) => item !== NOTHING));
  }

  #call(name, argument) {
    const all = () => argument.map((item) => this.#value(item));
    switch (name) {
      case 'Ref':
        return this.#ref(argument);
      case 'Condition':
        return this.#condition(argument);
      case 'Fn::GetAtt': {
        const [id, ...rest] = typeof argument === 'string' ? argument.split('.') : argument;
        return this.#attribute(id, rest.join('.'));
      }
      case 'Fn::If':
        return this.#value(argument[this.#condition(argument[0]) ? 1 : 2]);
      case 'Fn::Equals': {
        const [left, right] = all();
        return String(left) === String(right);
      }
      case 'Fn::Not':
        return !all()[0];
      case 'Fn::And':
        return all().every(Boolean);
      case 'Fn::Or':
        return all().some(Boolean);
      case 'Fn::Join': {
        const [separator, items] = all();
        return items.join(separator);
      }
      case 'Fn::Split': {
        const [separator, text] = all();
        return text.split(separator);
      }
      case 'Fn::Sub':
        return this.#substitute(argument);
      default:
        throw new Error(`${name} is not supported: add it to stack.mjs`);
    }
  }

  #substitute(argument) {
    const [text, variables] = Array.isArray(argument) ? argument : [argument, {}];
    return text.replaceAll(/\$\{([^!}][^}]*)\}/g, (_, name) => {
      if (name in variables) return this.#value(variables[name]);
      const [id, ...attribute] = name.split('.');
      return attribute.length ? this.#attribute(id, attribute.join('.')) : this.#ref(name);
    });
  }
}
