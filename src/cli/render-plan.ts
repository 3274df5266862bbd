import type { BackupPlan } from '../domain/plan.ts';
import { planFindings, planJson, planText } from '../report/plan-report.ts';
import type { CommandResult } from './command-spec.ts';
import type { CommandContext } from './context.ts';
import type { ProjectContext } from './project-context.ts';

export function renderPlan(context: CommandContext, project: ProjectContext, made: BackupPlan): CommandResult {
  return { data: planJson(made), text: planText(made, project.repository, context.style), findings: planFindings(made), exitCode: 0 };
}
