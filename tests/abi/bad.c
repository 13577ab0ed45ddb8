/* bad.c - one module that is wrong in one way each time it is compiled: with
 * -DBAD_<name>. Without any it is in order.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include <mezzo/isolator.h>

#include <stdio.h>

static int create(const struct mz_host *host, const struct mz_conf *conf, void **inst, struct mz_err *err)
{
	(void)host;
	(void)conf;
	(void)inst;
#ifdef BAD_create_fails
	err->code = -5;
	snprintf(err->msg, sizeof(err->msg), "The kernel has no support for it");
	return -5;
#else
	(void)err;
	*inst = (void *)1;
	return 0;
#endif
}

__attribute__((unused)) static void destroy(void *inst)
{
	(void)inst;
}

#ifdef BAD_undefined_symbol
extern int mz_no_such_function(void);
static uint32_t flags(void *inst)
{
	(void)inst;
	return (uint32_t)mz_no_such_function();
}
#endif

static const struct mz_isolator_ops ops = {
#if defined(BAD_small_ops)
	.size = 8,
#elif defined(BAD_ops_end_early)
	.size = sizeof(struct mz_ops), /* of a kind that demands more */
#else
	.size = sizeof(ops),
#endif
	.create = create,
#ifndef BAD_missing_callback
	.destroy = destroy,
#endif
#ifdef BAD_undefined_symbol
	.flags = flags,
#endif
};

static const struct mz_setting settings[] = {
#if defined(BAD_setting_type)
	{sizeof(struct mz_setting), 42, "limit", "1", 0, 0, "Help", NULL},
#elif defined(BAD_setting_default)
	MZ_SETTING(INT, "limit", "12", 1, 10, "Help"),
#elif defined(BAD_setting_twice)
	MZ_SETTING(INT, "limit", "1", 1, 10, "Help"),
	MZ_SETTING(INT, "limit", "1", 1, 10, "Help"),
#elif defined(BAD_setting_small)
	{8, MZ_SETTING_INT, "limit", "1", 0, 0, "Help", NULL},
#endif
	MZ_SETTING_END,
};

#ifdef BAD_unmet_requires
static const char *const requires_modules[] = {"isolator/other", NULL};
#endif

#if defined(BAD_no_symbol)
extern const struct mz_module not_mz_module;
__attribute__((visibility("default"))) const struct mz_module not_mz_module = {
#elif defined(BAD_tiny_symbol)
MZ_EXPORT extern const uint32_t mz_module;
const uint32_t mz_module = MZ_MODULE_MAGIC;
static const struct mz_module __attribute__((unused)) unused = {
#else
MZ_MODULE = {
#endif
	MZ_MODULE_HEAD(ISOLATOR),
#if defined(BAD_magic)
	.magic = 0x12345678,
#elif defined(BAD_abi_too_old)
	.abi = 0,
#elif defined(BAD_abi_too_new)
	.abi = 99,
#elif defined(BAD_small_descriptor)
	.size = 24,
#elif defined(BAD_big_descriptor)
	.size = 4096,
#elif defined(BAD_unknown_kind)
	.kind = 99,
#elif defined(BAD_later_kind)
	.kind = MZ_KIND_QOS,
#elif defined(BAD_ops_end_early)
	.kind = MZ_KIND_STORE,
#endif
#ifdef BAD_name
	.name = "Bad Name",
#else
	.name = "bad",
#endif
	.version = "1",
	.author = "Tests",
	.summary = "Wrong in one way",
	.settings = settings,
#ifdef BAD_unmet_requires
	.requires_modules = requires_modules,
#endif
#ifndef BAD_no_ops
	.ops = (const struct mz_ops *)&ops,
#endif
};
