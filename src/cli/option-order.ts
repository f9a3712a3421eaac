import type { Command, Option } from 'commander'

/**
 * The command line with a command's options behind its name, where commander wants them: ecDock's users write
 * `--no-rm stop 1`. What cannot be told apart is left as it is, for commander to say what is wrong with it.
 */
export function optionsBehindCommand(argv: readonly string[], program: Command): readonly string[] {
  const all = [program, ...program.commands].flatMap((command) => command.options)
  const stay: string[] = []
  const move: { flag: Option; words: string[] }[] = []
  let next = 0
  for (let word = argv[0]; word?.startsWith('-') === true; word = argv[next]) {
    const option = all.find((each) => isCalled(each, word))
    if (option === undefined) return argv
    const words = argv.slice(next, next + (wantsNext(option, word) ? 2 : 1))
    next += words.length
    if (program.options.some((each) => isCalled(each, word))) stay.push(...words)
    else move.push({ flag: option, words })
  }
  const command = program.commands.find((each) => each.name() === argv[next])
  if (command === undefined) return argv
  const moved = move.filter(({ flag }) => command.options.some((each) => each.flags === flag.flags))
  const unknown = move.filter((each) => !moved.includes(each))
  return [
    ...stay,
    ...unknown.flatMap(({ words }) => words),
    command.name(),
    ...moved.flatMap(({ words }) => words),
    ...argv.slice(next + 1),
  ]
}

/** `--kind=ovs` and `-t5` hold their value themselves. */
function isCalled(option: Option, word: string): boolean {
  if (word.startsWith('--')) return option.long === word.split('=', 1)[0]
  return option.short === (takesValue(option) ? word.slice(0, 2) : word)
}

function wantsNext(option: Option, word: string): boolean {
  return takesValue(option) && (word === option.long || word === option.short)
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}
