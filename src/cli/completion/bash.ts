import type { CompletedCommand, CompletedOption, CompletedTool, PositionKind, ValueKind } from './words.ts';
import { quote } from './words.ts';

/** `source <(mcads-orchestrate completion bash)` */
export function bashCompletion(tool: CompletedTool): string {
  return `# bash completion of mcads-orchestrate. For this shell: source <(mcads-orchestrate completion bash)
# For every shell: mcads-orchestrate completion bash > /etc/bash_completion.d/mcads-orchestrate
_mcads_orchestrate() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= position=0 skip= at one
  local -a places=()
  [[ $previous == '=' ]] && previous=\${COMP_WORDS[COMP_CWORD-2]}
  [[ $word == '=' ]] && word=
  for ((at = 1; at < COMP_CWORD; at++)); do
    one=\${COMP_WORDS[at]}
    [[ $one == '=' ]] && continue
    if [[ $skip ]]; then
      [[ $skip == place ]] && places+=("$one")
      skip=
      continue
    fi
    case $one in
      ${tool.places.join('|')}) skip=place places+=("$one") ;;
      ${tool.withValue.filter((name) => !tool.places.includes(name)).join('|')}) skip=value ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then command=$one
        elif [[ ' ${parents(tool).join(' ')} ' == *" $command "* ]]; then command+=" $one"
        else position=$((position + 1)); fi ;;
    esac
  done
  local snapshots='"\${COMP_WORDS[0]}" completion snapshots "\${places[@]}" 2>/dev/null'
  if [[ $skip ]]; then
    case $previous in
${valueCases(tool)}
    esac
    return
  fi
  if [[ $word == -* ]]; then
    local options=${quote(flagsOf(tool.globals))}
    case $command in
${optionCases(tool.commands)}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  case "$command:$position" in
    :*) COMPREPLY=($(compgen -W ${quote(tool.commands.flatMap(({ names }) => names).join(' '))} -- "$word")) ;;
${positionCases(tool.commands)}
  esac
}
complete -F _mcads_orchestrate mcads-orchestrate
`;
}

function parents({ commands }: CompletedTool): readonly string[] {
  return commands.filter(({ children }) => children.length > 0).flatMap(({ names }) => names);
}

function flagsOf(options: readonly CompletedOption[]): string {
  return options.flatMap(({ names }) => names).join(' ');
}

/** Options that several commands have are told by their first row: they mean the same. */
function valueCases({ commands, globals }: CompletedTool): string {
  const options = [...globals, ...commands.flatMap((one) => [one, ...one.children]).flatMap((one) => one.options)];
  const seen = new Set<string>();
  return options
    .flatMap(({ names, value }) => {
      const fresh = names.filter((name) => !seen.has(name));
      for (const name of fresh) seen.add(name);
      const words = valueWords(value);
      return fresh.length === 0 || words === null ? [] : [`      ${fresh.join('|')}) COMPREPLY=($(compgen ${words} -- "$word")) ;;`];
    })
    .join('\n');
}

function valueWords(value: ValueKind): string | null {
  switch (value.kind) {
    case 'words':
      return `-W ${quote(value.words.join(' '))}`;
    case 'directory':
      return '-d';
    case 'file':
      return '-f';
    case 'none':
    case 'anything':
      return null;
  }
}

function optionCases(commands: readonly CompletedCommand[], parent = ''): string {
  return commands
    .flatMap(({ names, options, children }) => [
      ...(options.length === 0
        ? []
        : [`      ${names.map((name) => quote(parent + name)).join('|')}) options+=${quote(` ${flagsOf(options)}`)} ;;`]),
      ...(children.length === 0 ? [] : [optionCases(children, `${parent}${names[0] ?? ''} `)]),
    ])
    .filter((line) => line !== '')
    .join('\n');
}

function positionCases(commands: readonly CompletedCommand[]): string {
  return commands
    .flatMap(({ names, positions, children }) => {
      const pattern = (at: number): string => names.map((name) => quote(`${name}:${at}`)).join('|');
      const inner = children.flatMap((child) => child.names).join(' ');
      return [
        ...(inner === '' ? [] : [`    ${pattern(0)}) COMPREPLY=($(compgen -W ${quote(inner)} -- "$word")) ;;`]),
        ...positions.flatMap((position, at) => {
          const words = positionWords(position);
          return words === null ? [] : [`    ${pattern(at)}) COMPREPLY=($(compgen -W ${words} -- "$word")) ;;`];
        }),
      ];
    })
    .join('\n');
}

function positionWords(position: PositionKind): string | null {
  switch (position.kind) {
    case 'snapshot':
      return `"latest $(eval "$snapshots")"`;
    case 'words':
      return quote(position.words.join(' '));
    case 'anything':
      return null;
  }
}
