import type { CommandSpec } from '../command.js'

export const batch: CommandSpec<object> = {
  name: 'batch',
  summary: 'run operations that are given as JSON lines',
  description: [
    'Reads one JSON operation a line from FILE or stdin and writes one JSON result a line, in the same order. What has',
    'arrived together is done together: plugs on one vswitch that follow each other make one bulk operation. A line',
    'that fails leaves the others alone; the exit status is 1 then. Empty lines are passed over.',
  ].join(' '),
  details: [
    'Operations:',
    '  {"op":"create-vswitch","name":"br0","subnet":"10.0.0.254/24","kind":"bridge"}',
    '  {"op":"plug","vswitch":"br0","target":{"netns":"blue"},"slot":1,"id":"my mark"}',
    '  {"op":"plug","target":{"netns":"blue"},"vlan":10,"routes":[{"to":"10.9.0.0/16","via":"10.0.0.9"}]}',
    '  {"op":"unplug","vswitch":"br0","slot":1}',
    '  {"op":"delete-vswitch","name":"br0"}',
    '  {"op":"ls"}',
    '',
    'Results:',
    '  {"ok":true,"id":"my mark","result":{…}}',
    '  {"ok":false,"id":"my mark","line":2,"error":{"code":"SLOT_TAKEN",…}}',
  ].join('\n'),
  arguments: [['[FILE]', 'the operations; default, or -: stdin']],
  takes: ['vswitch'],
  examples: [`echo '{"op":"ls"}' | ecdock-fast batch`, 'ecdock-fast batch operations.jsonl'],
  run: async (invocation, [file]) => {
    const { runBatch } = await import('../batch/run-batch.js')
    return runBatch(invocation, file)
  },
}
