/* wait.c - see wait.h. The answer to WAIT_CONTAINER comes when the container ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/wait.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

char *container_call(const char *type, const char *member, const json_t *id)
{
	json_t *call = json_pack("{s:s, s:{s:O}}", "type", type, member, "container_id", id);
	char *text = json_dumps(call, JSON_COMPACT);

	json_decref(call);
	return text;
}

static int take_answer(const char *body, int *ret_status, struct mz_err *err)
{
	json_t *answer = json_loads(body, 0, NULL);
	const json_t *w = json_object_get(answer, "wait_container");
	const json_t *status = json_object_get(w, "exit_status");
	const char *message = js_str(w, "message");
	int rc = 0;

	if (*message && str_starts(js_str(w, "reason"), "REASON_CONTAINER_LIMITATION"))
		cli_fail(0, "%s", message);
	if (json_is_integer(status)) {
		int raw = (int)json_integer_value(status);
		*ret_status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
	} else {
		rc = mz_fail(err, -ENOENT, "%s", *message ? message : "the agent does not know its exit status");
	}
	json_decref(answer);
	return rc;
}

int container_wait(const struct located *l, const json_t *id, int64_t timeout_ns, int *ret_status, struct mz_err *err)
{
	mz_autofree char *call = container_call("WAIT_CONTAINER", "wait_container", id), *body = NULL;
	int http, rc = cli_post(l->ip, l->at.port, call, timeout_ns, &http, &body, err);

	if (rc < 0)
		return rc;
	if (http == 200)
		return take_answer(body, ret_status, err);
	return mz_fail(err, http == 404 ? -ENOENT : http == 403 ? -EACCES : -EIO, "the agent answered %d%s%s", http,
		       *body ? " " : "", body);
}
