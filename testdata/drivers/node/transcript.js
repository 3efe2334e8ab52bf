// What the programs for the drivers of Node have in common: sections, and how answers are printed.

const fs = require('node:fs')
const path = require('node:path')

const number = Number(process.env.CLIENT)
const rows = Number(process.env.ROWS) // of a large result

exports.number = number
exports.name = `${process.env.NAME} ${number}`
exports.memory = `4${number}00kB`
exports.channel = `channel_${number}`
exports.sleep = "do $$ begin raise notice 'begun'; perform pg_sleep(300); end $$"
exports.large = `select i, repeat(md5(i::text), 5) as t from generate_series(1, ${rows}) i`
exports.largeValue = 'große Parameter '.repeat(3 * rows)

const print = (...words) => process.stdout.write(words.join(' ') + '\n')
exports.print = print

// script is the statements of one of the files for all drivers.
exports.script = name => fs.readFileSync(path.join(process.env.STATEMENTS, name + '.sql'), 'utf8')
  .split('\n').map(line => line.trim()).filter(line => line && !line.startsWith('#'))

// fault prints an error, by what PostgreSQL says of it.
exports.fault = e => print('!', e.severity, e.code, e.message, e.detail, e.constraint || e.constraint_name)

exports.run = async (sections, state) => {
  for (const [name, work] of sections) {
    print('==', name)
    await work()
    await state()
  }
}
