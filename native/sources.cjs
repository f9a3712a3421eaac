// Tells node-gyp, which reads binding.gyp, of which sources each target is made: `node sources.cjs addon|switch`. The list
// itself is sources.txt, which native/CMakeLists.txt reads, too.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')

/** What the switch needs from outside of its folder. */
const SHARED = ['errno_name.cpp', 'netlink/mac.cpp']

const sources = readFileSync(join(__dirname, 'sources.txt'), 'utf8').trim().split('\n')
const ofSwitch = (source) => source.startsWith('switch/')

const printed = {
  addon: () => sources.filter((source) => !ofSwitch(source)).map((source) => `native/${source}`),
  switch: () =>
    sources
      .filter((source) => ofSwitch(source) || SHARED.includes(source))
      .map((source) => `native/${source}`),
}

console.log(printed[process.argv[2]]().join('\n'))
