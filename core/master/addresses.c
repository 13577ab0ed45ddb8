/* addresses.c - which agent was last seen at an address (IP:PORT): one that is
 * known, expected back or unreachable. Who registers there without an id shows
 * that the process of that agent is no more, or has not heard its id yet.
 * For register.c, lost.c and the reader of the records.
 * SPDX-License-Identifier: Apache-2.0 */
#include "master/internal.h"

/* "slave(1)@127.0.0.1:5051" -> its parts; false if it is nothing like that. */
bool address_parse(const char *pid, char **ret_path, char **ret_ip, int *ret_port)
{
	const char *at = strchr(pid, '@');
	const char *colon = at ? strrchr(at, ':') : NULL;
	int64_t port;
	if (!colon || at == pid || colon == at + 1 || str_to_i64(colon + 1, &port) < 0 || port < 1 || port > 65535)
		return false;
	*ret_path = xasprintf("/%.*s", (int)(at - pid), pid);
	bool bracketed = at[1] == '[' && colon[-1] == ']'; /* an IPv6 address */
	*ret_ip = xstrndup(at + 1 + bracketed, (size_t)(colon - at - 1) - 2 * bracketed);
	*ret_port = (int)port;
	return true;
}

char *address_of(const char *pid)
{
	mz_autofree char *path = NULL, *ip = NULL;
	int port;
	return pid && address_parse(pid, &path, &ip, &port) ? str_address(ip, port) : NULL;
}

void address_take(struct master *m, const char *address, const char *id)
{
	if (address)
		name_release(m, map_put(&m->addresses, address, name_hold(m, id)));
}

void address_leave(struct master *m, const char *address, const char *id)
{
	if (address && str_eq(map_get(&m->addresses, address), id))
		name_release(m, map_del(&m->addresses, address));
}

void addresses_drop(struct master *m)
{
	map_each(&m->addresses, e)
		name_release(m, e->value);
	map_done(&m->addresses);
}

void agent_leave_address(struct agent *a)
{
	mz_autofree char *address = address_of(a->pid);
	address_leave(a->m, address, a->id);
}

/* pid has been checked. */
void agent_set_pid(struct agent *a, const char *pid)
{
	xset(&a->pid, pid);
	xset(&a->ip, NULL);
	xset(&a->path, NULL);
	must(address_parse(pid, &a->path, &a->ip, &a->port));
}

void address_load(struct agent *a, const char *pid)
{
	mz_autofree char *address = address_of(pid);
	if (!address)
		return;
	agent_set_pid(a, pid);
	const char *other = map_get(&a->m->addresses, address);
	const struct agent *o = other ? map_get(&a->m->recovered, other) : NULL;
	if (!o || o->registered_time < a->registered_time)
		address_take(a->m, address, a->id);
}

void address_load_lost(struct master *m, struct lost_agent *l, const char *id, const char *pid)
{
	l->address = address_of(pid);
	if (l->address && !map_has(&m->addresses, l->address))
		address_take(m, l->address, id);
}

/* ---- a registration without an id ------------------------------------------------ */

/* Do two links come from one host? Agents that all call themselves localhost do not. */
static bool same_host(const char *peer, const char *other)
{
	const char *colon = strrchr(peer, ':');
	size_t n = colon ? (size_t)(colon - peer) + 1 : strlen(peer);
	return strncmp(peer, other, n) == 0;
}

static void replace(struct master *m, const char *id)
{
	struct agent *a = agent_get(m, id);
	if (!a)
		a = map_get(&m->recovered, id);
	m->metrics.agent_removals_registered++;
	if (a)
		agent_removed(a, TS(GONE), "another one registers at its address");
	else
		lost_replaced(m, id);
}

enum address_verdict address_settle(struct agent_link *al, const char **ret_id)
{
	struct master *m = al->m;
	mz_autofree char *address = address_of(al->reg->pid);
	const char *id = map_get(&m->addresses, address);
	if (!id)
		return ADDRESS_FREE;
	if (map_has(&m->marking, id))
		return ADDRESS_BUSY;
	struct agent *a = agent_get(m, id);
	if (!a || !agent_connected(a)) {
		replace(m, id);
		return ADDRESS_FREE;
	}
	if (!str_eq(a->info->hostname, al->reg->agent_info->hostname) ||
	    (a->link && !same_host(al->link->peer, a->link->link->peer))) {
		log_warning(AREA, "Agent %s at %s (%s) is connected: %s (%s), that comes from its address, has to wait",
			    id, a->info->hostname, address, al->reg->agent_info->hostname, al->link->peer);
		return ADDRESS_BUSY;
	}
	*ret_id = id;
	return ADDRESS_ITS_OWN;
}
