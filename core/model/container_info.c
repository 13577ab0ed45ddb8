/* container_info.c - rules of CommandInfo and ContainerInfo. A field counts as
 * set by its presence, also when it is empty.
 * Called by task_info.c and executor_info.c, and by the agent for other containers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "model/info_check.h"

/* ---- secrets and environments ---------------------------------------------- */

static int secret_check(const Mesos__V1__Secret *s, struct mz_err *err)
{
	switch (s->has_type ? s->type : MESOS__V1__SECRET__TYPE__UNKNOWN) {
	case MESOS__V1__SECRET__TYPE__REFERENCE:
		if (!s->reference || s->value)
			return mz_fail(err, -EINVAL, "A secret of type REFERENCE has 'reference' and no 'value'");
		return 0;
	case MESOS__V1__SECRET__TYPE__VALUE:
		if (!s->value || s->reference)
			return mz_fail(err, -EINVAL, "A secret of type VALUE has 'value' and no 'reference'");
		return 0;
	default:
		return mz_fail(err, -EINVAL, "The type of a secret must be REFERENCE or VALUE");
	}
}

static int variable_check(const Mesos__V1__Environment__Variable *v, struct mz_err *err)
{
	switch (v->type) { /* VALUE if unset */
	case MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__VALUE:
		if (!v->value || v->secret)
			return mz_fail(err, -EINVAL, "A variable of type VALUE has 'value' and no 'secret'");
		return 0;
	case MESOS__V1__ENVIRONMENT__VARIABLE__TYPE__SECRET:
		if (!v->secret || v->value)
			return mz_fail(err, -EINVAL, "A variable of type SECRET has 'secret' and no 'value'");
		if (secret_check(v->secret, err))
			return -EINVAL;
		if (v->secret->value && v->secret->value->data.len &&
		    memchr(v->secret->value->data.data, 0, v->secret->value->data.len))
			return mz_fail(err, -EINVAL, "The secret of a variable has a NUL byte");
		return 0;
	default:
		return mz_fail(err, -EINVAL, "The type of a variable must be VALUE or SECRET");
	}
}

int command_check(const Mesos__V1__CommandInfo *c, struct mz_err *err)
{
	for (size_t i = 0; c->environment && i < c->environment->n_variables; i++)
		if (variable_check(c->environment->variables[i], err))
			return mz_wrap(err, "Environment variable '%.80s'", c->environment->variables[i]->name);
	return 0;
}

/* ---- volumes --------------------------------------------------------------- */

static int source_check(const Mesos__V1__Volume__Source *s, struct mz_err *err)
{
	int type = s->has_type ? (int)s->type : 0;
	const struct {
		int type;
		const void *part;
		const char *name;
	} parts[] = {
		{MESOS__V1__VOLUME__SOURCE__TYPE__DOCKER_VOLUME, s->docker_volume, "docker_volume"},
		{MESOS__V1__VOLUME__SOURCE__TYPE__HOST_PATH, s->host_path, "host_path"},
		{MESOS__V1__VOLUME__SOURCE__TYPE__SANDBOX_PATH, s->sandbox_path, "sandbox_path"},
		{MESOS__V1__VOLUME__SOURCE__TYPE__SECRET, s->secret, "secret"},
		{MESOS__V1__VOLUME__SOURCE__TYPE__CSI_VOLUME, s->csi_volume, "csi_volume"},
	};
	bool known = false;
	for (size_t i = 0; i < MZ_N(parts); i++) {
		known |= parts[i].type == type;
		if (parts[i].type == type && !parts[i].part)
			return mz_fail(err, -EINVAL, "'source.%s' is missing, which its type asks for", parts[i].name);
		if (parts[i].type != type && parts[i].part)
			return mz_fail(err, -EINVAL, "'source.%s' does not match the type of the source", parts[i].name);
	}
	if (!known)
		return mz_fail(err, -EINVAL, "The type of the source is unknown");
	if (s->csi_volume && !s->csi_volume->static_provisioning)
		return mz_fail(err, -EINVAL, "'source.csi_volume.static_provisioning' is missing");
	return s->secret ? secret_check(s->secret, err) : 0;
}

static int volume_check(const Mesos__V1__Volume *v, struct mz_err *err)
{
	if ((v->host_path != NULL) + (v->image != NULL) + (v->source != NULL) != 1)
		return mz_fail(err, -EINVAL, "Exactly one of 'host_path', 'image' and 'source' must be set");
	return v->source ? source_check(v->source, err) : 0;
}

/* ---- containers ------------------------------------------------------------ */

static int docker_check(const Mesos__V1__ContainerInfo *c, struct mz_err *err)
{
	if (c->type != MESOS__V1__CONTAINER_INFO__TYPE__DOCKER)
		return 0;
	if (!c->docker)
		return mz_fail(err, -EINVAL, "A container of type DOCKER needs 'docker'");
	for (size_t i = 0; i < c->docker->n_parameters; i++)
		if (str_eq(c->docker->parameters[i]->key, "name"))
			return mz_fail(err, -EINVAL, "The Docker parameter 'name' cannot be given");
	return 0;
}

static int rlimits_check(const Mesos__V1__RLimitInfo *r, struct mz_err *err)
{
	for (size_t i = 0; r && i < r->n_rlimits; i++) {
		const Mesos__V1__RLimitInfo__RLimit *l = r->rlimits[i];
		if (!l->has_type || l->type == MESOS__V1__RLIMIT_INFO__RLIMIT__TYPE__UNKNOWN)
			return mz_fail(err, -EINVAL, "The type of a resource limit is unknown");
		if (l->has_hard != l->has_soft)
			return mz_fail(err, -EINVAL, "A resource limit has both 'hard' and 'soft', or none of them");
		if (l->has_soft && l->soft > l->hard)
			return mz_fail(err, -EINVAL, "The soft resource limit is above the hard one");
	}
	return 0;
}

static int linux_check(const Mesos__V1__LinuxInfo *l, struct mz_err *err)
{
	if (!l)
		return 0;
	if (l->capability_info && l->effective_capabilities)
		return mz_fail(err, -EINVAL, "'capability_info' and 'effective_capabilities' cannot both be set");
	if (l->seccomp && l->seccomp->profile_name && l->seccomp->unconfined)
		return mz_fail(err, -EINVAL, "A seccomp profile cannot be given with 'unconfined'");
	return 0;
}

int container_check(const Mesos__V1__ContainerInfo *c, struct mz_err *err)
{
	for (size_t i = 0; i < c->n_volumes; i++)
		if (volume_check(c->volumes[i], err))
			return mz_wrap(err, "Volume '%.80s'", c->volumes[i]->container_path);
	int rc = docker_check(c, err);
	if (!rc)
		rc = rlimits_check(c->rlimit_info, err);
	return rc ? rc : linux_check(c->linux_info, err);
}
