/* process_io.c - see process_io.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/api/process_io.h"

#include <errno.h>

#include "base/err.h"
#include "module/module.h"
#include "wire/recordio.h"

typedef Mesos__V1__Agent__ProcessIO process_io;

#define IO(name) MESOS__V1__AGENT__PROCESS_IO__##name

static void add_record(struct buf *out, enum codec c, const process_io *io)
{
	struct buf mz_autobuf body = {0};
	codec_encode(c, &io->base, &body);
	recordio_add(out, body.data, body.len);
}

void process_io_add_output(struct buf *out, enum codec c, int stream, const void *data, size_t size)
{
	process_io io = IO(INIT);
	Mesos__V1__Agent__ProcessIO__Data d = IO(DATA__INIT);
	io.has_type = 1;
	io.type = IO(TYPE__DATA);
	io.data = &d;
	d.has_type = 1;
	d.type = stream == MZ_IO_STDERR ? IO(DATA__TYPE__STDERR) : IO(DATA__TYPE__STDOUT);
	d.has_data = 1;
	d.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
	add_record(out, c, &io);
}

void process_io_add_heartbeat(struct buf *out, enum codec c, int64_t interval_ns)
{
	process_io io = IO(INIT);
	Mesos__V1__Agent__ProcessIO__Control control = IO(CONTROL__INIT);
	Mesos__V1__Agent__ProcessIO__Control__Heartbeat beat = IO(CONTROL__HEARTBEAT__INIT);
	Mesos__V1__DurationInfo interval = MESOS__V1__DURATION_INFO__INIT;
	io.has_type = 1;
	io.type = IO(TYPE__CONTROL);
	io.control = &control;
	control.has_type = 1;
	control.type = IO(CONTROL__TYPE__HEARTBEAT);
	control.heartbeat = &beat;
	beat.interval = &interval;
	interval.nanoseconds = interval_ns;
	add_record(out, c, &io);
}

/* ---- input ------------------------------------------------------------------------- */

#define MISSING(what) mz_fail(err, -EINVAL, "Expecting 'attach_container_input." what "' to be present")

static const char *name_of(const ProtobufCEnumDescriptor *d, bool has, int value)
{
	const char *name = has ? pb_enum_name(d, value) : NULL;
	return name ? name : "UNKNOWN";
}

static int check_call(const Mesos__V1__Agent__Call *c, int type, const char *type_name, struct mz_err *err)
{
	if (!c->has_type || c->type != MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_INPUT)
		return mz_fail(err, -EINVAL, "Expecting 'type' to be 'ATTACH_CONTAINER_INPUT' instead of: '%s'",
			       name_of(&mesos__v1__agent__call__type__descriptor, c->has_type, (int)c->type));
	const Mesos__V1__Agent__Call__AttachContainerInput *in = c->attach_container_input;
	if (!in)
		return mz_fail(err, -EINVAL, "Expecting 'attach_container_input' to be present");
	if (!in->has_type || (int)in->type != type)
		return mz_fail(err, -EINVAL, "Expecting 'attach_container_input.type' to be '%s' instead of: '%s'", type_name,
			       name_of(&mesos__v1__agent__call__attach_container_input__type__descriptor, in->has_type,
				       (int)in->type));
	return 0;
}

int process_io_check_first(const Mesos__V1__Agent__Call *c, struct mz_err *err)
{
	int rc = check_call(c, MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__TYPE__CONTAINER_ID, "CONTAINER_ID", err);
	if (rc == 0 && !c->attach_container_input->container_id)
		return MISSING("container_id");
	return rc;
}

static int check_control(const Mesos__V1__Agent__ProcessIO__Control *c, struct mz_err *err)
{
	if (!c)
		return MISSING("process_io.control");
	if (c->has_type && c->type == IO(CONTROL__TYPE__TTY_INFO)) {
		if (!c->tty_info)
			return MISSING("process_io.control.tty_info");
		return c->tty_info->window_size ? 0 : MISSING("process_io.control.tty_info.window_size");
	}
	if (c->has_type && c->type == IO(CONTROL__TYPE__HEARTBEAT))
		return c->heartbeat ? 0 : MISSING("process_io.control.heartbeat");
	return mz_fail(err, -EINVAL, "'attach_container_input.process_io.control.type' is unknown");
}

static int check_data(const Mesos__V1__Agent__ProcessIO__Data *d, struct mz_err *err)
{
	if (!d)
		return MISSING("process_io.data");
	if (d->has_type && d->type == IO(DATA__TYPE__STDIN))
		return 0;
	return mz_fail(err, -EINVAL, "Expecting 'attach_container_input.process_io.data.type' to be 'STDIN' instead of: '%s'",
		       name_of(&mesos__v1__agent__process_io__data__type__descriptor, d->has_type, (int)d->type));
}

int process_io_check_next(const Mesos__V1__Agent__Call *c, struct mz_err *err)
{
	int rc = check_call(c, MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__TYPE__PROCESS_IO, "PROCESS_IO", err);
	if (rc < 0)
		return rc;
	const process_io *io = c->attach_container_input->process_io;
	if (!io)
		return MISSING("process_io");
	if (io->has_type && io->type == IO(TYPE__CONTROL))
		return check_control(io->control, err);
	if (io->has_type && io->type == IO(TYPE__DATA))
		return check_data(io->data, err);
	return mz_fail(err, -EINVAL, "'attach_container_input.process_io.type' is unknown");
}
