/*
 * The guest's only program beside Node: mounts the kernel's file systems, loads the drivers listed
 * in /etc/modules, configures the network by DHCP for as long as that takes, then becomes the
 * supervisor of one service. It has no shell, reads nothing from the host but DHCP answers, and powers
 * the machine off when the service ends: an epoch is one boot.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAST_CAPABILITY = 63 };

void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("init: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

/* The end of an epoch. QEMU and clouds take a power-off as the end of the machine. */
static void power_off(void) {
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

void fail(const char *what) {
  say("%s: %s", what, strerror(errno));
  power_off();
}

static void mount_at(const char *type, const char *path, unsigned long flags, const char *options) {
  mkdir(path, 0755);
  if (mount(type, path, type, flags, options) != 0 && errno != EBUSY) fail(path);
}

static void mount_kernel_file_systems(void) {
  const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  mount_at("devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755");
  mount_at("proc", "/proc", strict, NULL);
  mount_at("sysfs", "/sys", strict, NULL);
  mount_at("tmpfs", "/tmp", strict, "mode=1777,size=16m");
}

/*
 * /etc/modules lists paths in the order of their dependencies, each with parameters behind a space.
 * A driver without hardware is no error.
 */
static void load_modules(void) {
  FILE *list = fopen("/etc/modules", "re");
  char path[512];
  if (list == NULL) fail("/etc/modules");
  while (fgets(path, sizeof path, list) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    char *parameters = path + strcspn(path, " ");
    if (*parameters != '\0') *parameters++ = '\0';
    int module = open(path, O_RDONLY | O_CLOEXEC);
    if (module < 0) fail(path);
    if (syscall(SYS_finit_module, module, parameters, 0) != 0 && errno != EEXIST && errno != ENODEV)
      say("%s: %s", path, strerror(errno));
    close(module);
  }
  fclose(list);
  mount_at("configfs", "/sys/kernel/config", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void write_setting(const char *path, const char *value) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, value, strlen(value)) < 0) say("%s: %s", path, strerror(errno));
  if (file >= 0) close(file);
}

/* After this the kernel takes no more code, dumps no memory, and has no debugging keys. */
static void lock_kernel(void) {
  write_setting("/proc/sys/kernel/modules_disabled", "1");
  write_setting("/proc/sys/kernel/sysrq", "0");
  write_setting("/proc/sys/kernel/core_pattern", "|/nonexistent");
  write_setting("/proc/sys/kernel/kptr_restrict", "2");
  write_setting("/proc/sys/kernel/dmesg_restrict", "1");
  write_setting("/proc/sys/kernel/yama/ptrace_scope", "3");
}

/* Root without capabilities: owns the report directory, and can do nothing else that root can. */
static void start_service(void) {
  char *const arguments[] = {"/bin/node", "/app/build/src/service/guest.js", NULL};
  char *const environment[] = {"NODE_ENV=production", "HOME=/tmp", "UV_THREADPOOL_SIZE=8",
                               "ORT_DISABLE_TELEMETRY=1", NULL};
  const struct rlimit none = {0, 0}, files = {65536, 65536};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_NOFILE, &files);
  for (int capability = 0; capability <= LAST_CAPABILITY; capability++)
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(126);
  setsid();
  execve(arguments[0], arguments, environment);
  say("%s: %s", arguments[0], strerror(errno));
  _exit(127);
}

int main(void) {
  if (getpid() != 1) return 1;
  umask(022);
  mount_kernel_file_systems();
  int console = open("/dev/console", O_RDWR | O_NOCTTY);
  for (int stream = 0; stream < 3 && console >= 0; stream++) dup2(console, stream);
  load_modules();
  configure_network();
  lock_kernel();
  const pid_t service = fork();
  if (service == 0) start_service();
  if (service < 0) fail("fork");
  for (;;) {
    int status = 0;
    const pid_t ended = wait(&status);
    if (ended < 0 && errno == EINTR) continue;
    if (ended != service && ended > 0) continue;
    if (WIFEXITED(status)) say("the service ended with code %d", WEXITSTATUS(status));
    else say("the service was ended by signal %d", WTERMSIG(status));
    power_off();
  }
}
