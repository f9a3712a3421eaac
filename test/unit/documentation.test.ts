import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/cli/program.js'
import { ERROR_CODES } from '../../src/errors.js'

const README = read('README.md')
/** Those that link to files of the checkout. */
const DOCUMENTS = [
  ...['README.md', 'CONTRIBUTING.md', 'examples/compose-dhcp/README.md', 'examples/qemu/README.md'],
  ...['docs/architecture.md', 'docs/docker.md', 'docs/interfaces.md', 'docs/vde.md'],
]

test('docs/errors.md describes every code once, and no other', () => {
  const described = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code)
  assert.equal(described.sort(), [...ERROR_CODES].sort())
})

test('the README lists every command that --help lists, and no other', async () => {
  const program = await buildProgram({ stdout: process.stdout }, async () => {})
  const commands = program.commands.map((command) => command.name()).sort()
  const table = README.slice(README.indexOf('\n## The command line\n'), README.indexOf('\n### JSON\n'))
  const listed = [...table.matchAll(/^\| `([a-z-]+)[^`]*` \|/gm)].map(([, name]) => name).sort()
  assert.equal(listed, commands)
})

test("the README's program is the one in examples/", () => {
  const program = read('examples/two-namespaces.mjs')
  assert.ok(README.includes(`\n\`\`\`js\n${program}\`\`\`\n`))
})

test('the README leads to each page', () => {
  for (const name of readdirSync(inCheckout('docs')).filter((file) => file.endsWith('.md'))) {
    assert.ok(README.includes(`](docs/${name})`), `the README does not link to docs/${name}`)
  }
})

test('a page leads to each example', () => {
  const links = ['README.md', 'docs/docker.md', 'docs/vde.md'].map(read).join('\n')
  for (const name of readdirSync(inCheckout('examples'))) {
    const linked = links.includes(`](examples/${name}`) || links.includes(`](../examples/${name}`)
    assert.ok(linked, `no page links to examples/${name}`)
  }
})

for (const path of DOCUMENTS) {
  test(`what ${path} links to is there`, () => {
    for (const [, link = ''] of read(path).matchAll(/(?:\]\(|src=")([^)"\s]+)[)"]/g)) {
      if (/^https?:/.test(link)) continue
      const [file = '', anchor] = link.split('#')
      const document = file === '' ? path : join(dirname(path), file)
      assert.ok(existsSync(inCheckout(document)), `${path} links to ${link}`)
      if (anchor !== undefined) assert.ok(anchors(read(document)).includes(anchor), `${path}: #${anchor}`)
    }
  })
}

/** As GitHub makes them of headings. */
function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

/** The compiled test is in dist/test/unit, or there in another directory that has what is read here. */
function inCheckout(path: string): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'README.md'))) return join(directory, path)
    if (directory === dirname(directory)) throw new Error('there is no README.md above this test')
  }
}

function read(path: string): string {
  return readFileSync(inCheckout(path), 'utf8')
}

test.run()
