import { DEFAULT_DOCKER } from '../../docker/address.js'
import type { DoctorReport } from '../../doctor/doctor.js'
import { DEFAULT_OVSDB } from '../../ovsdb/endpoint.js'
import type { CommandSpec } from '../command.js'
import { EXIT_DONE, EXIT_MISSING } from '../exit-status.js'
import { hostOptions } from '../global-options.js'
import { doctorText } from '../render/doctor.js'

const DEFAULTS = {
  ovsdb: DEFAULT_OVSDB,
  docker: DEFAULT_DOCKER,
  runDir: '/run/ecdock-fast',
}

export const doctor: CommandSpec<object> = {
  name: 'doctor',
  summary: 'check what this host has and what is missing',
  description: 'Changes nothing. Exit status 3 when something that every use needs is missing.',
  takes: [],
  reportsConfig: true,
  examples: ['ecdock-fast doctor'],
  run: async (invocation) => {
    const { options, io, defaults, config } = invocation
    const host = hostOptions(options, io.env, defaults)
    // What is wrong with the files is said when the world is opened.
    const tls = await invocation.tls().catch(() => ({}))
    const where = { ...DEFAULTS, ...host, ...tls, configFiles: config.files }
    const { doctor: examine } = await import('../../doctor/doctor.js')
    let report: DoctorReport
    try {
      report = await invocation.withWorld(({ kernel }) => examine({ ...where, kernel }))
    } catch (kernelError) {
      report = await examine({ ...where, kernelError })
    }
    return {
      document: report,
      text: () => doctorText(report, invocation.colors),
      status: report.ok ? EXIT_DONE : EXIT_MISSING,
    }
  },
}
