#!/usr/bin/env node
// The least that a server in Node.js can do with a webhook of Stripe: proof, one parse, the calls that Cryptlex needs and
// an answer; no framework, no ledger, no check of what comes back. What `make bench` compares processor time with.

import { createHmac, timingSafeEqual } from 'node:crypto'
import http from 'node:http'

const { PORT, STRIPE_WEBHOOK_SECRET, CRYPTLEX_ACCESS_TOKEN, CRYPTLEX_WEB_API_BASE_URL } = process.env
const cryptlex = new URL(CRYPTLEX_WEB_API_BASE_URL)
const agent = new http.Agent({ keepAlive: true })
const product = '11111111-1111-4111-8111-000000000001'

const read = (stream) =>
  new Promise((resolve, reject) => {
    const chunks = []
    stream.on('data', (chunk) => chunks.push(chunk))
    stream.on('end', () => resolve(Buffer.concat(chunks)))
    stream.on('error', reject)
  })

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${CRYPTLEX_ACCESS_TOKEN}`, 'content-type': 'application/json' }
    const { hostname, port } = cryptlex
    const request = http.request({ agent, hostname, port, method, path, headers }, async (answer) => {
      const text = await read(answer)
      if (answer.statusCode >= 300) return reject(new Error(`${method} was answered ${answer.statusCode}`))
      resolve(JSON.parse(text))
    })
    request.on('error', reject)
    request.end(body && JSON.stringify(body))
  })

const keys = 'metadata.key[in]=subscription_id,stripe_subscription_id'

const ofSubscription = (id) => call('GET', `/v3/licenses?${keys}&metadata.value[eq]=${encodeURIComponent(id)}&limit=100&page=1`)

const purchase = async (session) => {
  const { email } = session.customer_details
  const users = call('GET', `/v3/users?email[eq]=${encodeURIComponent(email)}&limit=100&page=1`)
  const [[user]] = await Promise.all([users, ofSubscription(session.subscription)])
  const name = { firstName: 'Ada', lastName: 'Example', password: 'not-a-secret-at-all', role: 'user' }
  const { id } = user ?? (await call('POST', '/v3/users', { email, ...name }))
  const metadata = [{ key: 'subscription_id', value: session.subscription }]
  await call('POST', '/v3/licenses', { productId: product, userId: id, metadata })
}

const renewal = async (invoice) => {
  const [license] = await ofSubscription(invoice.parent.subscription_details.subscription)
  await call('POST', `/v3/licenses/${license.id}/renew`)
}

const handlers = { 'checkout.session.completed': purchase, 'invoice.paid': renewal }

const isGenuine = (header, body) => {
  const [time, signature] = header.split(',').map((pair) => pair.slice(pair.indexOf('=') + 1))
  const expected = createHmac('sha256', STRIPE_WEBHOOK_SECRET).update(`${time}.`).update(body).digest()
  return timingSafeEqual(expected, Buffer.from(signature, 'hex'))
}

const server = http.createServer(async (request, response) => {
  response.setHeader('content-type', 'application/json')
  try {
    const body = await read(request)
    if (!isGenuine(request.headers['stripe-signature'], body)) throw new Error('forged')
    const { id, type, data } = JSON.parse(body)
    console.error(`Received Stripe webhook: ${type} (${id})`)
    await handlers[type]?.(data.object)
    console.error(`Successfully processed webhook event ${id}`)
    response.end('{"status":"success"}')
  } catch (error) {
    console.error(error)
    response.statusCode = 500
    response.end('{"status":"error"}')
  }
})

server.listen(PORT, '127.0.0.1', () => console.error(`listening on http://127.0.0.1:${server.address().port}`))
