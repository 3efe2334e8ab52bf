// postgres.js: what a program does with it, printed. It prepares whatever has parameters.

const crypto = require('node:crypto')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const postgres = require('postgres')
const t = require('./transcript.js')
const { print, fault, number } = t

let begun = () => {}
const options = {
  max: 1,
  fetch_types: false,
  connection: { application_name: t.name, work_mem: t.memory },
  onnotice: n => { if (n.message === 'begun') begun() }
}
const sql = postgres(options)

const answer = result => {
  for (const row of result) print(JSON.stringify(row))
  print(result.command, result.count)
}

const ask = async query => {
  try {
    answer(await query)
  } catch (e) {
    fault(e)
  }
}

const statements = name => [name, async () => {
  for (const text of t.script(name)) {
    print(text)
    await ask(sql.unsafe(text))
  }
}]

const prepared = async () => {
  for (let i = 0; i < 8; i++) {
    await ask(sql`select i, t from mine where i = ${i}`)
    await ask(sql`select ${8}::int / ${i - 4}::int as q, ${'of ' + number}::text as x`)
    await ask(sql.unsafe(`select ${i % 3} as n, $1::int as x`, [i], { prepare: true }))
  }
  await ask(sql`select no_such_column from mine where i = ${1}`)
  await ask(sql`select no_such_column from mine where i = ${1}`)
  await ask(sql`insert into mine ${sql([{ i: 100, t: 'a' }, { i: 101, t: 'b' }])} returning i`)
  await ask(sql`delete from mine where i in ${sql([100, 101])}`)
}

// replan changes a table below a statement; postgres.js prepares again what has failed so.
const replan = async () => {
  await ask(sql`create table growing as select 1 as a`)
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      const query = () => sql`select * from growing where a = ${1}`
      await query().catch(() => {})
      await ask(query())
    }
    await ask(sql.unsafe(`alter table growing add column b${i} int default ${number}`))
  }
}

const pipelined = async () => {
  const all = Array.from({ length: 20 }, (_, i) => sql`select ${i}::int / ${i - 9}::int as q, (select t from mine where i = ${i})`)
  for (const result of await Promise.allSettled(all)) result.status === 'rejected' ? fault(result.reason) : answer(result.value)
  answer(await sql.begin(tx => [tx`insert into mine values (200, 'in a pipeline')`, tx`select count(*) from mine`]).then(r => r[1]))
  await ask(sql.begin(tx => [tx`delete from mine where i = 200`, tx`select 1 / ${0}::int`, tx`select 3`]))
  await ask(sql`delete from mine where i = 200`)
}

// copy has no errors: postgres.js does not come back from them.
const copy = async () => {
  await ask(sql`create table copied (i int primary key, t text)`)
  const lines = Array.from({ length: 500 }, (_, i) => `${i}\tline ${i} of ${number}\n`)
  await pipeline(Readable.from(lines), await sql`copy copied from stdin`.writable())
  const hash = crypto.createHash('md5')
  await pipeline(await sql`copy copied to stdout`.readable(), hash)
  print(hash.digest('hex'))
  await ask(sql`select count(*), sum(i), max(t) from copied`)
}

const large = async () => {
  const result = await sql.unsafe(t.large)
  const hash = crypto.createHash('md5')
  for (const row of result) hash.update(`${row.i} ${row.t}`)
  print(result.count, hash.digest('hex'))
  await ask(sql`select length(${t.largeValue}::text)`)
}

// portals are read a few rows at a time, without a Sync between.
const portals = async () => {
  const sizes = []
  await sql`select i from generate_series(1, ${1000}::int) i`.cursor(300, rows => { sizes.push(rows.length) })
  print(sizes)
  await sql`select i from generate_series(1, 1000) i`.cursor(10, rows => { print(rows.length); return sql.CLOSE })
  await sql.begin(async tx => {
    for await (const rows of tx`select i from mine order by i`.cursor(4)) print(JSON.stringify(rows))
  })
}

const transactions = async () => {
  await ask(sql.begin('isolation level serializable', async tx => {
    await tx`insert into mine values (300, 'outer')`
    await tx.savepoint(async sp => { await sp`insert into mine values (300, 'twice')` }).catch(fault)
    return tx`select count(*), current_setting('transaction_isolation') as level from mine where i = 300`
  }))
  await ask(sql.begin(async tx => {
    await tx`delete from mine where i = 300`
    throw Object.assign(new Error('changed its mind'), { code: 'OURS' })
  }))
  await ask(sql`delete from mine where i = 300`)
}

// cancel does not learn from postgres.js when its request is through. PostgreSQL signals
// twice for one, and the second may come late; so it has a connection for it.
const cancel = async () => {
  const other = postgres(options)
  const query = other.unsafe(t.sleep)
  begun = () => query.cancel()
  await ask(query)
  const goesOn = () => other`select 'goes on' as x`.catch(e => e.code === '57014' ? goesOn() : Promise.reject(e))
  await ask(goesOn())
  await other.end()
}

// notify listens by postgres.js' own means, which has a connection for it.
const notify = async () => {
  const heard = []
  let wake = () => {}
  const notifications = async n => {
    while (heard.length < n) await new Promise(resolve => { wake = resolve })
    for (const payload of heard.splice(0, n)) print(payload)
  }
  const hear = payload => { heard.push(payload); wake() }
  const { unlisten } = await sql.listen(t.channel, hear)
  for (let i = 0; i < 3; i++) await sql.notify(t.channel, `number ${i} to ${number}`)
  await notifications(3)
  await unlisten()
  await sql.notify(t.channel, 'to nobody')
  await sql.listen(t.channel, hear)
  await sql.notify(t.channel, 'the last')
  await notifications(1)
}

const main = async () => {
  for (const text of t.script('setup')) await ask(sql.unsafe(text))
  await t.run([
    statements('settings'), statements('datestyle'), statements('reset'), statements('role'), ['prepared', prepared], ['replan', replan],
    ['pipeline', pipelined], ['copy', copy], ['large', large], ['portals', portals], statements('errors'),
    statements('savepoints'), ['transactions', transactions], ['cancel', cancel], statements('sqlprepare'),
    statements('temp'), statements('hold'), statements('advisory'), ['notify', notify]
  ], statements('state')[1])
  await sql.end()
}

main().catch(e => { console.error(e); process.exit(1) })
