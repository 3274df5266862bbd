import type { CompletedCommand, CompletedOption, CompletedTool, PositionKind } from './words.ts';

/** `mcads-orchestrate completion fish | source` */
export function fishCompletion(tool: CompletedTool): string {
  const rows = [...tool.globals.map((option) => optionRow(option, null)), ...tool.commands.flatMap((command) => commandRows(command))];
  return `# fish completion of mcads-orchestrate. For this shell: mcads-orchestrate completion fish | source
# For every shell: mcads-orchestrate completion fish > ~/.config/fish/completions/mcads-orchestrate.fish
function __mcads_words --description 'the words before the cursor that are neither options nor their values'
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${tool.withValue.join(' ')}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end
function __mcads_places
    set -l next 0
    for word in (commandline -opc)[2..-1]
        if test $next = 1
            echo $word
            set next 0
        else if contains -- $word ${tool.places.join(' ')}
            echo $word
            set next 1
        end
    end
end
function __mcads_at --description 'whether so many words are there, and the first (and second) of them is one of those given'
    set -l words (__mcads_words)
    test (count $words) -eq $argv[1]; and contains -- "$words[1]" $argv[2..-1]
end
function __mcads_in
    set -l words (__mcads_words)
    contains -- "$words[1]" $argv; or contains -- "$words[1] $words[2]" $argv
end
function __mcads_snapshots
    echo latest
    mcads-orchestrate completion snapshots (__mcads_places) 2>/dev/null
end
complete -c mcads-orchestrate -f
${rows.join('\n')}
`;
}

function commandRows(command: CompletedCommand): readonly string[] {
  const own = command.names.map(quote).join(' ');
  return [
    ...command.names.map(
      (name) => `complete -c mcads-orchestrate -n 'test (count (__mcads_words)) -eq 0' -a ${name} -d ${quote(command.description)}`,
    ),
    ...command.options.map((option) => optionRow(option, own)),
    ...command.positions.flatMap((position, at) => {
      const words = positionWords(position);
      return words === null ? [] : [`complete -c mcads-orchestrate -n "__mcads_at ${at + 1} ${command.names.join(' ')}" -a ${words}`];
    }),
    ...command.children.flatMap((child) => [
      `complete -c mcads-orchestrate -n "__mcads_at 1 ${command.names.join(' ')}" -a ${child.names.join(' ')} -d ${quote(child.description)}`,
      ...child.options.map((option) => optionRow(option, quote(`${command.names[0] ?? ''} ${child.names[0] ?? ''}`))),
    ]),
  ];
}

function optionRow({ names, value, description }: CompletedOption, commands: string | null): string {
  const switches = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
  const argument = {
    none: '',
    anything: ' -x',
    directory: " -x -a '(__fish_complete_directories)'",
    file: ' -r -F',
    words: ` -x -a ${quote(value.kind === 'words' ? value.words.join(' ') : '')}`,
  }[value.kind];
  const where = commands === null ? '' : ` -n ${quote(`__mcads_in ${commands}`)}`;
  return `complete -c mcads-orchestrate${where} ${switches}${argument} -d ${quote(description)}`;
}

function positionWords(position: PositionKind): string | null {
  switch (position.kind) {
    case 'snapshot':
      return "'(__mcads_snapshots)'";
    case 'words':
      return quote(position.words.join(' '));
    case 'anything':
      return null;
  }
}

/** In fish's single quotes, where only the backslash and the quote are special. */
function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", `\\'`)}'`;
}
