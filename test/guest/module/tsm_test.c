// SPDX-License-Identifier: GPL-2.0
/*
 * Test only. Registers a provider with the kernel's TSM report subsystem, as sev-guest and tdx-guest
 * do, and has a program answer for the hardware: reports are requested by reading /dev/tsm-test and
 * answered by writing to it. Loading the module starts that program, also where it registers nothing.
 *
 * A request is the privilege level, the length of the report data, and the data. An answer is an
 * error number, the lengths of report and auxiliary blob, and both blobs. Numbers are 32 bits.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>
#include <linux/umh.h>
#include <linux/wait.h>

#define MAX_ANSWER (17 * 1024 * 1024)
#define PATIENCE (90 * HZ)

static char *provider = "sev_guest";
module_param(provider, charp, 0444);
MODULE_PARM_DESC(provider, "name that the kernel shows: sev_guest or tdx_guest; empty: no provider");

struct request {
	u32 level, length;
	u8 data[TSM_REPORT_INBLOB_MAX];
};

struct answer {
	s32 error;
	u32 report_length, auxiliary_length;
	u8 blobs[];
};

enum state { IDLE, ASKED, TAKEN, ANSWERED };

static DEFINE_MUTEX(lock);
static DECLARE_WAIT_QUEUE_HEAD(queue);
static enum state state;
static struct request request;
static struct answer *answer;

static int take_answer(struct tsm_report *report)
{
	void *blob;

	if (answer->error)
		return answer->error;
	blob = kvmemdup(answer->blobs, answer->report_length, GFP_KERNEL);
	if (!blob)
		return -ENOMEM;
	report->outblob = blob;
	report->outblob_len = answer->report_length;
	if (!answer->auxiliary_length)
		return 0;
	blob = kvmemdup(answer->blobs + answer->report_length, answer->auxiliary_length, GFP_KERNEL);
	if (!blob)
		return -ENOMEM;
	report->auxblob = blob;
	report->auxblob_len = answer->auxiliary_length;
	return 0;
}

static int report_new(struct tsm_report *report, void *data)
{
	long left;
	int error;

	if (report->desc.inblob_len != TSM_REPORT_INBLOB_MAX)
		return -EINVAL;
	mutex_lock(&lock);
	request.level = report->desc.privlevel;
	request.length = report->desc.inblob_len;
	memcpy(request.data, report->desc.inblob, sizeof(request.data));
	state = ASKED;
	mutex_unlock(&lock);
	wake_up_all(&queue);
	left = wait_event_interruptible_timeout(queue, READ_ONCE(state) == ANSWERED, PATIENCE);
	mutex_lock(&lock);
	if (state == ANSWERED)
		error = take_answer(report);
	else
		error = left < 0 ? -EINTR : -ETIMEDOUT;
	state = IDLE;
	kvfree(answer);
	answer = NULL;
	mutex_unlock(&lock);
	return error;
}

static ssize_t device_read(struct file *file, char __user *to, size_t length, loff_t *offset)
{
	ssize_t result = sizeof(request);

	if (length < sizeof(request))
		return -EINVAL;
	if (wait_event_interruptible(queue, READ_ONCE(state) == ASKED))
		return -EINTR;
	mutex_lock(&lock);
	if (state != ASKED)
		result = -EAGAIN;
	else if (copy_to_user(to, &request, sizeof(request)))
		result = -EFAULT;
	else
		state = TAKEN;
	mutex_unlock(&lock);
	return result;
}

static ssize_t device_write(struct file *file, const char __user *from, size_t length,
			    loff_t *offset)
{
	struct answer *given;
	ssize_t result = length;

	if (length < sizeof(*given) || length > MAX_ANSWER)
		return -EINVAL;
	given = kvmalloc(length, GFP_KERNEL);
	if (!given)
		return -ENOMEM;
	if (copy_from_user(given, from, length)) {
		kvfree(given);
		return -EFAULT;
	}
	mutex_lock(&lock);
	if (state != TAKEN ||
	    length != sizeof(*given) + (size_t)given->report_length + given->auxiliary_length) {
		kvfree(given);
		result = -EINVAL;
	} else {
		answer = given;
		state = ANSWERED;
	}
	mutex_unlock(&lock);
	wake_up_all(&queue);
	return result;
}

/* tdx-guest has no privilege levels and no auxiliary blob. */
static bool plays_tdx(void)
{
	return strcmp(provider, "tdx_guest") == 0;
}

static bool attribute_visible(int index)
{
	if (plays_tdx())
		return index == TSM_REPORT_GENERATION || index == TSM_REPORT_PROVIDER;
	return index == TSM_REPORT_GENERATION || index == TSM_REPORT_PROVIDER ||
	       index == TSM_REPORT_PRIVLEVEL || index == TSM_REPORT_PRIVLEVEL_FLOOR;
}

static bool blob_visible(int index)
{
	return index == TSM_REPORT_INBLOB || index == TSM_REPORT_OUTBLOB ||
	       (index == TSM_REPORT_AUXBLOB && !plays_tdx());
}

static struct tsm_report_ops ops = {
	.report_new = report_new,
	.report_attr_visible = attribute_visible,
	.report_bin_attr_visible = blob_visible,
};

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.read = device_read,
	.write = device_write,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tsm-test",
	.mode = 0600,
	.fops = &device_operations,
};

static int __init tsm_test_init(void)
{
	static char *arguments[] = { "/test/start", NULL };
	static char *environment[] = { "HOME=/tmp", NULL };
	int error = misc_register(&device);

	if (error)
		return error;
	ops.name = provider;
	if (*provider)
		error = tsm_report_register(&ops, NULL);
	if (error) {
		misc_deregister(&device);
		return error;
	}
	return call_usermodehelper(arguments[0], arguments, environment, UMH_WAIT_EXEC);
}

module_init(tsm_test_init);
MODULE_DESCRIPTION("Test provider for the TSM report subsystem");
MODULE_LICENSE("GPL");
