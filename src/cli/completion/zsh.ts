import { bashCompletion } from './bash.ts';
import type { CompletedTool } from './words.ts';

/**
 * zsh with the function for bash, through its own `bashcompinit`. Decision: one description of the command line that is tested, rather than a
 * second one that drifts; what is lost are the explanations beside the words.
 */
export function zshCompletion(tool: CompletedTool): string {
  const [, ...lines] = bashCompletion(tool).split('\n');
  const body = lines.filter((line) => !line.startsWith('#')).join('\n');
  return `# zsh completion of mcads-orchestrate. In ~/.zshrc, after compinit: source <(mcads-orchestrate completion zsh)
autoload -Uz +X compinit bashcompinit
(( \${+functions[compdef]} )) || compinit
bashcompinit
${body}`;
}
