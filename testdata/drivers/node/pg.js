// node-postgres: what a program does with it, printed.

const crypto = require('node:crypto')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const { Client, Query } = require('pg')
const Cursor = require('pg-cursor')
const { from: copyFrom, to: copyTo } = require('pg-copy-streams')
const t = require('./transcript.js')
const { print, fault, number } = t

const options = { application_name: t.name, options: `-c work_mem=${t.memory}` }
const client = new Client(options)
const heard = []
client.on('notification', n => heard.push(n))

const answer = result => {
  for (const r of [].concat(result)) {
    for (const row of r.rows) print(JSON.stringify(row))
    print(r.command, r.rowCount)
  }
}

const ask = async (query, values) => {
  print(query.name || '', query.text || query, JSON.stringify(values || query.values || []).slice(0, 60))
  try {
    answer(await client.query(query, values))
  } catch (e) {
    fault(e)
  }
}

const statements = name => [name, async () => { for (const sql of t.script(name)) await ask(sql) }]

const parameters = async () => {
  for (let i = 0; i < 5; i++) {
    await ask('select i, t, $2::text as x from mine where i = $1', [i, `of ${number}`])
    await ask('select $1::int / $2::int as q', [number, i - 2])
  }
  await ask('insert into mine values ($1, $2)', [1, 'twice'])
  await ask(`select 1 as a; select ${number} as b; select 1/0`)
  await ask(`select 1 as a; select ${number} as b`)
}

const prepared = async () => {
  for (let round = 0; round < 3; round++) {
    if (round === 1) await ask('begin')
    for (let i = 0; i < 12; i++) {
      await ask({ name: `statement ${i}`, text: `select ${i} as n, i, t from mine where i = $1`, values: [i + round] })
    }
    await ask({ name: 'ours', text: `select $1::int / $2::int as q, ${number} as n`, values: [8, round - 1] })
    if (round === 1) await ask('rollback')
  }
  await ask({ name: 'wrong', text: 'select no_such_column from mine', values: [] })
  await ask({ name: 'rows', text: 'select i from mine order by i', rows: 3, values: [] })
}

// replan changes a table below a statement; another name prepares it again.
const replan = async () => {
  await ask('create table growing as select 1 as a')
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) await ask({ name: `growing ${i}`, text: 'select * from growing where a = $1', values: [1] })
    await ask(`alter table growing add column b${i} int default ${number}`)
  }
}

// queued are sent one behind the other, none of them awaited before the last.
const queued = async (on = client) => {
  const all = []
  for (let i = 0; i < 10; i++) {
    all.push(on.query('select $1::int / $2::int as q, (select t from mine where i = $1)', [i + 1, i - 4]).catch(e => e))
  }
  for (const result of await Promise.all(all)) result instanceof Error ? fault(result) : answer(result)
}

// piped are sent before the first is answered.
const piped = async () => {
  const other = new Client({ ...options, pipeline: true })
  await other.connect()
  await other.query(t.script('setup')[0])
  await queued(other)
  await other.end()
}

const failing = async work => { try { await work() } catch (e) { fault(e) } }

const copy = async () => {
  await ask('create table copied (i int primary key, t text)')
  const lines = Array.from({ length: 500 }, (_, i) => `${i}\tline ${i} of ${number}\n`)
  await pipeline(Readable.from(lines), client.query(copyFrom('copy copied from stdin')))
  const hash = crypto.createHash('md5')
  await pipeline(client.query(copyTo('copy copied to stdout')), hash)
  print(hash.digest('hex'))
  await failing(() => pipeline(Readable.from(['1000\tgood\nbad\tnot a number\n']), client.query(copyFrom('copy copied from stdin'))))
  await ask("select 'goes on' as x")
  await failing(() => pipeline(Readable.from(['7\ttwice\n']), client.query(copyFrom('copy copied from stdin'))))
  await ask('select count(*), sum(i), max(t) from copied')
}

const large = async () => {
  const result = await client.query(t.large)
  const hash = crypto.createHash('md5')
  for (const row of result.rows) hash.update(`${row.i} ${row.t}`)
  print(result.rowCount, hash.digest('hex'))
  await ask('select length($1::text)', [t.largeValue])
}

// portals are read a few rows at a time, without a Sync between.
const portals = async () => {
  await ask('begin')
  const cursor = client.query(new Cursor('select i from generate_series(1, $1::int) i', [1000]))
  print(JSON.stringify(await cursor.read(3)))
  print((await cursor.read(500)).length, (await cursor.read(1000)).length, (await cursor.read(1)).length)
  await cursor.close()
  const early = client.query(new Cursor('select i from generate_series(1, 1000) i'))
  print((await early.read(10)).length)
  await early.close()
  await ask('commit')
  const alone = client.query(new Cursor('select i from generate_series(1, 1000) i'))
  print((await alone.read(10)).length, (await alone.read(10)).length)
  await alone.close()
}

// cancel goes on when the connection of its request has ended, with which PostgreSQL says
// that it has done it.
const cancel = async () => {
  for (const inTransaction of [false, true]) {
    if (inTransaction) await ask('begin')
    const query = new Query(t.sleep)
    const done = new Promise(resolve => client.once('notice', () => {
      const other = new Client(options)
      other.connection.once('end', resolve)
      other.cancel(client, query)
    }))
    await failing(() => new Promise((resolve, reject) => {
      query.on('end', resolve)
      query.on('error', reject)
      client.query(query)
    }))
    await done
    if (inTransaction) {
      await ask("select 'refused' as x")
      await ask('rollback')
    }
  }
  await ask("select 'goes on' as x")
}

const notify = async () => {
  await ask(`listen ${t.channel}`)
  await ask(`notify ${t.channel}, 'to oneself'`)
  await notifications(1)
  const other = new Client(options)
  await other.connect()
  for (let i = 0; i < 3; i++) await other.query('select pg_notify($1, $2)', [t.channel, `number ${i} to ${number}`])
  await other.end()
  await notifications(3)
  await ask(`unlisten ${t.channel}`)
  await ask(`notify ${t.channel}, 'to nobody'`)
  await ask(`listen ${t.channel}`)
  await ask(`notify ${t.channel}, 'the last'`)
  await notifications(1)
}

const next = () => new Promise(resolve => client.once('notification', resolve))

const notifications = async n => {
  while (heard.length < n) await next()
  for (const { channel, payload } of heard.splice(0, n)) print(channel, payload)
}

const ownNotifications = async () => {
  await ask('listen news')
  await ask('notify news')
  while (!heard.some(n => n.processId === client.processID)) await next()
  print('from oneself')
  await ask('unlisten news')
  heard.length = 0
}

const main = async () => {
  await client.connect()
  for (const sql of t.script('setup')) await ask(sql)
  await t.run([
    statements('settings'), statements('datestyle'), statements('reset'), statements('role'), ['parameters', parameters], ['prepared', prepared],
    ['replan', replan], ['queued', () => queued()], ['pipeline', piped], ['copy', copy], ['large', large], ['portals', portals], statements('errors'),
    statements('savepoints'), ['cancel', cancel], statements('sqlprepare'), ['notify', notify],
    ['own notifications', ownNotifications], statements('temp'), statements('hold'), statements('advisory')
  ], statements('state')[1])
  await client.end()
}

main().catch(e => { console.error(e); process.exit(1) })
