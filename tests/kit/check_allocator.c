/* check_allocator.c - the bookkeeping that <mezzo/allocator.h> demands: what is
 * offered is there, is not offered twice, and comes back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "check.h"

static const struct mz_alloc_role role = {.role = "*"};
static const struct mz_alloc_framework framework = {
	.size = sizeof(framework), .capabilities = MZ_FW_MULTI_ROLE, .key = 1, .id = "f1", .name = "one", .n_roles = 1, .roles = &role};

/* Runs rounds; returns what was offered, as text, and clears it. */
static char *offered(struct mz_kit *k)
{
	mz_kit_advance(k, 30 * NS_PER_SEC);
	char *text = xstrdup(mz_kit_events(k));
	mz_kit_clear(k);
	return text;
}

static void is_offered(struct check *c, struct mz_kit *k, const char *want, const char *what)
{
	mz_autofree char *got = offered(k);
	if (!check(c, strcmp(got, want) == 0, "%s", what))
		check_note("want '%s', got '%s'", want, got);
}

void check_allocator(struct check *c)
{
	static const char all[] = "offer f1 * a1 cpus:4;mem:1024\n";
	struct mz_kit_module *m;
	struct mz_kit *k = check_kit(c, &m);
	if (!k)
		return;
	const struct mz_allocator_ops *ops = mz_kit_ops(m);
	void *inst = mz_kit_inst(m);
	const struct mz_resources *total = mz_kit_resources(k, "cpus:4;mem:1024");
	struct mz_alloc_agent agent = {.size = sizeof(agent), .key = 1, .id = "a1", .hostname = "host1", .multi_role = 1, .total = total};
	if (ops->recover)
		ops->recover(inst, 0);
	if (ops->update_whitelist)
		ops->update_whitelist(inst, NULL, 0, 1);
	is_offered(c, k, "", "nothing is offered of nothing");
	ops->add_framework(inst, &framework, 1, NULL, 0);
	ops->add_agent(inst, &agent, NULL, 0);
	is_offered(c, k, all, "the whole agent is offered to the one framework");
	is_offered(c, k, "", "what is offered is not offered twice");
	ops->recover_resources(inst, 1, "*", 1, total, -1, 0);
	is_offered(c, k, all, "what comes back is offered again");
	ops->recover_resources(inst, 1, "*", 1, total, 3600 * NS_PER_SEC, 0);
	is_offered(c, k, "", "a filter keeps it back");
	ops->revive_offers(inst, 1, NULL, 0);
	is_offered(c, k, all, "revive forgets the filter");
	ops->suppress_offers(inst, 1, NULL, 0);
	ops->recover_resources(inst, 1, "*", 1, total, -1, 0);
	is_offered(c, k, "", "suppress holds");
	ops->revive_offers(inst, 1, NULL, 0);
	ops->pause(inst);
	mz_kit_turn(k);
	mz_kit_clear(k);
	is_offered(c, k, "", "no offers while paused");
	ops->resume(inst);
	mz_autofree char *later = offered(k);
	check(c, later[0] == '\0' || strcmp(later, all) == 0, "resume goes on");
	ops->recover_resources(inst, 1, "*", 1, total, -1, 0);
	ops->deactivate_framework(inst, 1);
	is_offered(c, k, "", "an inactive framework gets nothing");
	ops->activate_framework(inst, 1);
	ops->deactivate_agent(inst, 1);
	is_offered(c, k, "", "an inactive agent is not offered");
	ops->activate_agent(inst, 1);
	is_offered(c, k, all, "both are back");
	ops->remove_agent(inst, 1);
	ops->recover_resources(inst, 1, "*", 1, total, -1, 0); /* of an agent that has gone */
	ops->remove_framework(inst, 1);
	is_offered(c, k, "", "nothing is left");
	check_end(c, k, "allocation");
}
