import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { planText } from '../../src/kernel/plan-text.js'

test('a step is a line, its fields stand behind tabs, and an empty line ends a plan', () => {
  const text = planText([
    {
      steps: [
        { op: 'vacant', netns: '/run/netns/blue', name: 'eth*', addresses: ['10.0.0.1', '2001:db8::a00:1'] },
        {
          op: 'veth',
          netns: '/run/netns/ecdock-br0',
          name: 'br0-s1',
          group: 7,
          peer: { netns: '/run/netns/blue', name: 'eth*', mac: '52:00:0a:00:00:01' },
        },
      ],
    },
    { steps: [{ op: 'link', netns: '', name: 'lo', up: true }] },
  ])
  assert.is(
    text,
    'vacant\tnetns=/run/netns/blue\tname=eth*\taddresses=10.0.0.1,2001:db8::a00:1\n' +
      'veth\tnetns=/run/netns/ecdock-br0\tname=br0-s1\tgroup=7' +
      '\tpeer.netns=/run/netns/blue\tpeer.name=eth*\tpeer.mac=52:00:0a:00:00:01\n' +
      '\n' +
      'link\tnetns=\tname=lo\tup=true\n' +
      '\n',
  )
})

test('what separates fields is escaped in values, because a path may hold it', () => {
  const text = planText([{ steps: [{ op: 'alive', netns: '/tmp/a\tb\nc\\d=e' }] }])
  assert.is(text, 'alive\tnetns=/tmp/a\\tb\\nc\\\\d=e\n\n')
})

test.run()
