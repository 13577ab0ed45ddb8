/* locate.c - see locate.h. For `mezzo logs`, `mezzo exec` and `mezzo attach`.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/locate.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

int locate(const struct cli *c, struct located *ret, struct mz_err *err)
{
	const char *name = c->args.v[0];
	json_t *slaves = NULL;
	int rc = cli_get(cli_master(c), "/tasks?limit=1000000", &ret->tasks, err);

	if (rc == 0)
		rc = cli_find_task(ret->tasks, name, cli_option(c, "framework"), &ret->task, err);
	if (rc == 0)
		rc = cli_get(cli_master(c), "/slaves", &slaves, err);
	if (rc < 0)
		return rc;
	mz_autofree char *at = cli_agent_address(slaves, js_str(ret->task, "slave_id"));
	json_decref(slaves);
	if (!at)
		return mz_fail(err, -ENOENT, "The agent '%s' of task '%s' is not there", js_str(ret->task, "slave_id"), name);
	rc = address_parse(at, 5051, &ret->at, err);
	return rc < 0 ? rc : address_resolve(&ret->at, ret->ip, err);
}

void located_done(struct located *l)
{
	json_decref(l->tasks);
	address_done(&l->at);
}

int locate_container(const struct located *l, char **ret, struct mz_err *err)
{
	const char *name = js_str(l->task, "id"), *state = js_str(l->task, "state");
	json_t *statuses = js_array(l->task, "statuses");

	if (cli_state_is_terminal(state))
		return mz_fail(err, -ENOENT, "Task '%s' has already ended: %s", name, state);
	for (size_t i = json_array_size(statuses); i-- > 0;) {
		const json_t *id = json_object_get(json_object_get(json_array_get(statuses, i), "container_status"),
						   "container_id");
		if (id) {
			*ret = json_dumps(id, JSON_COMPACT);
			return 0;
		}
	}
	return mz_fail(err, -EAGAIN, "Task '%s' has not started yet: %s", name, state);
}

bool located_has_tty(const struct located *l)
{
	return json_object_get(json_object_get(l->task, "container"), "tty_info") != NULL;
}
