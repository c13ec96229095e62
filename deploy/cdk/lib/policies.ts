import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { aws_iam as iam } from 'aws-cdk-lib';

/** A statement of deploy/iam, for resources of this stack. What is allowed is written there, and only there. */
export function statement(file: string, sid: string, resources: string[], conditions?: Record<string, unknown>): iam.PolicyStatement {
  const path = join(__dirname, '..', '..', '..', 'iam', `${file}.json`);
  const all = JSON.parse(readFileSync(path, 'utf8')).Statement as Record<string, unknown>[];
  const found = all.find((s) => s['Sid'] === sid);
  if (!found) {
    throw new Error(`${path} has no statement ${sid}`);
  }
  return iam.PolicyStatement.fromJson({ ...found, Resource: resources, ...(conditions ? { Condition: conditions } : {}) });
}
