/* The file layer of the power tests: loaded by LD_PRELOAD before libc, it stands between a process and the files of one
 * folder. It writes a journal of what changes them (journal.ts reads it) and follows rules of a mapped page (control.ts
 * writes it): kill, fail, shorten, delay, swallow, flip.
 *
 * Not seen: calls that do not go through libc, io_uring (off in Node by default), memory maps (SQLite's -shm alone, which is
 * made anew after a crash), static and musl builds.
 *
 *   gcc -O2 -shared -fPIC -o shim.so shim.c -ldl -lpthread
 *   POWER_ROOT     the folder, as realpath gives it
 *   POWER_JOURNAL  the file that records are added to; none: nothing is recorded
 *   POWER_CONTROL  the file of the mapped page; none: no rules
 *   POWER_RANDOM   a file read in place of /dev/urandom, from which SQLite salts its logs; none: the real one
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- what the test side knows too: keep in step with journal.ts and control.ts ---- */

enum { OPEN = 1, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, RENAME, LINK, UNLINK, MKDIR, RMDIR, MARK, READ };
enum { KILL = 1, KILL_HALF, FAIL, SHORT, DELAY, SWALLOW, FLIP };
enum { CREATED = 1 };

#define MAGIC 0x31525750u /* "PWR1" */
#define RULES 24
#define MARKS "/.mark/"

struct record {
  uint32_t magic, bytes, kind, error;
  uint64_t node, offset, length;
  uint32_t flags;
  uint16_t path_bytes, other_bytes;
};

struct rule {
  uint64_t action, kinds, after, chance, value;
  char ending[88];
};

struct control {
  uint64_t operations; /* that changed something, so far; also those that failed */
  uint64_t draws;
  uint64_t seed;
  uint64_t skip_sync; /* 1: syncs are recorded and not done */
  int64_t space;      /* bytes by which files may still grow; below 0: no bound */
  uint64_t unused[11];
  struct rule rules[RULES];
};

/* ---- state ---- */

#define FDS 65536

struct open_file {
  int is_tracked, is_folder;
  uint64_t node;
  char *path;
};

static struct open_file files[FDS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_bytes;
static int journal = -1;
static struct control *control;
static const char *random_path;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define REAL(name) \
  static __typeof__(name) *real; \
  if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int real_open(const char *path, int flags, mode_t mode) {
  REAL(open);
  return real(path, flags, mode);
}

static ssize_t real_pwrite(int fd, const void *bytes, size_t count, off_t at) {
  REAL(pwrite64);
  return real(fd, bytes, count, at);
}

static ssize_t real_write(int fd, const void *bytes, size_t count) {
  REAL(write);
  return real(fd, bytes, count);
}

static int real_close(int fd) {
  REAL(close);
  return real(fd);
}

static void start(void) {
  const char *path = getenv("POWER_ROOT");
  if (path == NULL) return;
  strncpy(root, path, sizeof root - 1);
  root_bytes = strlen(root);
  random_path = getenv("POWER_RANDOM");
  if ((path = getenv("POWER_JOURNAL")) != NULL) journal = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if ((path = getenv("POWER_CONTROL")) != NULL) {
    int fd = real_open(path, O_RDWR | O_CLOEXEC, 0600);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) abort();
    control = page;
    real_close(fd);
  }
}

__attribute__((constructor)) static void begin(void) { pthread_once(&once, start); }

/* The path below the root, into `found`; 0 where it lies outside, and for SQLite's shared memory. */
static int below_root(int folder, const char *path, char *found) {
  char whole[PATH_MAX * 2], parent[PATH_MAX];
  pthread_once(&once, start);
  if (root_bytes == 0 || path == NULL) return 0;
  if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
  else {
    char link[64], base[PATH_MAX];
    ssize_t bytes;
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    bytes = readlink(link, base, sizeof base - 1);
    if (bytes < 0) return 0;
    base[bytes] = 0;
    snprintf(whole, sizeof whole, "%s/%s", base, path);
  }
  for (size_t end = strlen(whole); end > 1 && whole[end - 1] == '/'; end--) whole[end - 1] = 0;
  if (strcmp(whole, root) == 0) {
    found[0] = 0;
    return 1;
  }
  char *slash = strrchr(whole, '/');
  if (slash == NULL) return 0;
  *slash = 0;
  if (realpath(slash == whole ? "/" : whole, parent) == NULL) snprintf(parent, sizeof parent, "%.*s", PATH_MAX - 1, whole);
  if (strncmp(parent, root, root_bytes) != 0 || (parent[root_bytes] != '/' && parent[root_bytes] != 0)) return 0;
  const char *inside = parent + root_bytes + (parent[root_bytes] == '/');
  snprintf(found, PATH_MAX, "%s%s%s", inside, inside[0] ? "/" : "", slash + 1);
  size_t bytes = strlen(found);
  return bytes < 4 || strcmp(found + bytes - 4, "-shm") != 0;
}

static struct open_file *tracked(int fd) {
  return fd >= 0 && fd < FDS && files[fd].is_tracked ? &files[fd] : NULL;
}

/* ---- journal and rules; the mutex orders threads, flock processes ---- */

static void lock(void) {
  pthread_mutex_lock(&mutex);
  if (journal >= 0) flock(journal, LOCK_EX);
}

static void unlock(void) {
  int kept = errno;
  if (journal >= 0) flock(journal, LOCK_UN);
  pthread_mutex_unlock(&mutex);
  errno = kept;
}

static void note(uint32_t kind, int error, uint32_t flags, uint64_t node, uint64_t offset, uint64_t length,
                 const char *path, const char *other, const void *data) {
  int kept = errno;
  size_t path_bytes = path ? strlen(path) : 0, other_bytes = other ? strlen(other) : 0, data_bytes = data ? length : 0;
  struct record head = {MAGIC, (uint32_t)(sizeof head + path_bytes + other_bytes + data_bytes), kind, (uint32_t)error,
                        node, offset, length, flags, (uint16_t)path_bytes, (uint16_t)other_bytes};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)path, path_bytes}, {(void *)other, other_bytes}, {(void *)data, data_bytes}};
  static ssize_t (*real)(int, const struct iovec *, int);
  if (real == NULL) real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
  if (journal >= 0 && real(journal, parts, 4) != (ssize_t)head.bytes) abort();
  errno = kept;
}

static uint64_t draw(void) {
  uint64_t z = control->seed + __atomic_add_fetch(&control->draws, 1, __ATOMIC_SEQ_CST) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int fires(struct rule *rule, uint32_t kind, const char *path) {
  if (rule->action == 0 || (rule->kinds >> kind & 1) == 0) return 0;
  size_t ending = strnlen(rule->ending, sizeof rule->ending), bytes = strlen(path);
  if (ending > bytes || memcmp(path + bytes - ending, rule->ending, ending) != 0) return 0;
  if (rule->after > 0) return __atomic_sub_fetch(&rule->after, 1, __ATOMIC_SEQ_CST) == 0;
  return rule->chance > 0 && draw() % 1000000 < rule->chance;
}

struct verdict {
  int error, is_short, is_half, is_swallowed, is_flipped;
};

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* What the rules say of the call that is about to be made. */
static struct verdict judge(uint32_t kind, const char *path) {
  struct verdict verdict = {0};
  if (control == NULL) return verdict;
  if (kind != READ) __atomic_add_fetch(&control->operations, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < RULES; i++) {
    struct rule *rule = &control->rules[i];
    if (!fires(rule, kind, path)) continue;
    switch (rule->action) {
      case KILL: die(); break;
      case KILL_HALF: verdict.is_half = 1; break;
      case FAIL: verdict.error = (int)rule->value; break;
      case SHORT: verdict.is_short = 1; break;
      case DELAY: usleep((useconds_t)rule->value); break;
      case SWALLOW: verdict.is_swallowed = 1; break;
      case FLIP: verdict.is_flipped = 1; break;
    }
  }
  if (verdict.is_half && kind != WRITE) die();
  return verdict;
}

static int fail(int error) {
  errno = error;
  return -1;
}

/* ---- opening and closing ---- */

static void track(int fd, uint64_t node, int is_folder, const char *path) {
  if (fd < 0 || fd >= FDS) return;
  free(files[fd].path);
  files[fd] = (struct open_file){1, is_folder, node, strdup(path)};
}

static void forget(int fd) {
  if (tracked(fd) == NULL) return;
  free(files[fd].path);
  files[fd] = (struct open_file){0};
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
  char inside[PATH_MAX];
  REAL(openat);
  if (random_path == NULL) pthread_once(&once, start);
  if (random_path != NULL && path != NULL && strcmp(path, "/dev/urandom") == 0) path = random_path;
  if (!below_root(folder, path, inside) || (flags & O_PATH)) {
    int fd = real(folder, path, flags, mode);
    if (fd >= 0) forget(fd);
    return fd;
  }
  lock();
  struct stat status;
  int is_there = fstatat(folder, path, &status, 0) == 0;
  int creates = !is_there && (flags & O_CREAT);
  int empties = is_there && S_ISREG(status.st_mode) && status.st_size > 0 && (flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY;
  int error = creates || empties ? judge(OPEN, inside).error : 0;
  int fd = error ? fail(error) : real(folder, path, flags, mode);
  if (fd >= 0 && fstat(fd, &status) == 0) {
    note(OPEN, 0, creates ? CREATED : 0, status.st_ino, 0, 0, inside, NULL, NULL);
    if (empties) note(TRUNCATE, 0, 0, status.st_ino, 0, 0, inside, NULL, NULL);
    track(fd, status.st_ino, S_ISDIR(status.st_mode), inside);
  }
  unlock();
  return fd;
}

#define MODE_OF(flags, mode) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = (mode_t)va_arg(rest, int); va_end(rest); }

int open(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE_OF(flags, mode) return open_any(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
  if (tracked(fd) == NULL) return real_close(fd);
  lock();
  forget(fd);
  int result = real_close(fd);
  unlock();
  return result;
}

/* ---- writing ---- */

/* `at` below 0: at the file's own position. */
static ssize_t write_any(int fd, struct open_file *file, const char *bytes, size_t count, off_t at) {
  lock();
  struct verdict verdict = judge(WRITE, file->path);
  struct stat status;
  int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  off_t from = at;
  if (fstat(fd, &status) != 0) status.st_size = 0;
  if (appends && at < 0) from = status.st_size;
  else if (at < 0) from = lseek(fd, 0, SEEK_CUR);
  if (control != NULL && control->space >= 0) {
    int64_t growth = (int64_t)(from + (off_t)count) - status.st_size;
    if (growth > control->space) verdict.error = verdict.error ? verdict.error : ENOSPC;
    else if (growth > 0) control->space -= growth;
  }
  if ((verdict.is_short || verdict.is_half) && count > 1) count /= 2;
  ssize_t done = verdict.error ? fail(verdict.error) : at < 0 ? real_write(fd, bytes, count) : real_pwrite(fd, bytes, count, at);
  note(WRITE, done < 0 ? errno : 0, 0, file->node, (uint64_t)from, done < 0 ? 0 : (uint64_t)done, file->path, NULL, bytes);
  if (verdict.is_half) die();
  unlock();
  return done;
}

static ssize_t write_parts(int fd, struct open_file *file, const struct iovec *parts, int count, off_t at) {
  size_t bytes = 0, filled = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  char *whole = malloc(bytes ? bytes : 1);
  for (int i = 0; i < count; filled += parts[i].iov_len, i++) memcpy(whole + filled, parts[i].iov_base, parts[i].iov_len);
  ssize_t done = write_any(fd, file, whole, bytes, at);
  int kept = errno;
  free(whole);
  errno = kept;
  return done;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  struct open_file *file = tracked(fd);
  return file ? write_any(fd, file, bytes, count, -1) : real_write(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  struct open_file *file = tracked(fd);
  return file ? write_any(fd, file, bytes, count, at) : real_pwrite(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
  struct open_file *file = tracked(fd);
  REAL(writev);
  return file ? write_parts(fd, file, parts, count, -1) : real(fd, parts, count);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  struct open_file *file = tracked(fd);
  REAL(pwritev64);
  return file ? write_parts(fd, file, parts, count, at) : real(fd, parts, count, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return pwritev64(fd, parts, count, at); }

int ftruncate64(int fd, off64_t bytes) {
  struct open_file *file = tracked(fd);
  REAL(ftruncate64);
  if (file == NULL) return real(fd, bytes);
  lock();
  int error = judge(TRUNCATE, file->path).error;
  int result = error ? fail(error) : real(fd, bytes);
  note(TRUNCATE, result ? errno : 0, 0, file->node, (uint64_t)bytes, 0, file->path, NULL, NULL);
  unlock();
  return result;
}

int ftruncate(int fd, off_t bytes) { return ftruncate64(fd, bytes); }

/* Space is not reserved: callers then write. */
int posix_fallocate64(int fd, off64_t at, off64_t bytes) {
  REAL(posix_fallocate64);
  return tracked(fd) ? EINVAL : real(fd, at, bytes);
}

int posix_fallocate(int fd, off_t at, off_t bytes) { return posix_fallocate64(fd, at, bytes); }

/* Copies within the kernel become reads and writes. */
static ssize_t copy_any(int to, int from, off_t *at, size_t count) {
  char bytes[65536];
  if (count > sizeof bytes) count = sizeof bytes;
  ssize_t got = at ? pread(from, bytes, count, *at) : read(from, bytes, count);
  if (got <= 0) return got;
  ssize_t done = write(to, bytes, (size_t)got);
  if (done > 0 && at) *at += done;
  return done;
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
  REAL(sendfile64);
  return tracked(to) ? copy_any(to, from, at, count) : real(to, from, at, count);
}

ssize_t sendfile(int to, int from, off_t *at, size_t count) { return sendfile64(to, from, at, count); }

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t count, unsigned flags) {
  REAL(copy_file_range);
  return tracked(to) ? fail(ENOSYS) : real(from, at, to, to_at, count, flags);
}

/* libuv makes this one call by its number. */
long syscall(long number, ...) {
  long a[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(rest, long);
  va_end(rest);
  REAL(syscall);
  if (number == SYS_copy_file_range && tracked((int)a[2])) return fail(ENOSYS);
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- syncing ---- */

static int sync_any(int fd, struct open_file *file, int (*real)(int)) {
  uint32_t kind = file->is_folder ? SYNC_FOLDER : SYNC;
  lock();
  struct verdict verdict = judge(kind, file->path);
  int result = verdict.error ? fail(verdict.error) : verdict.is_swallowed || (control && control->skip_sync) ? 0 : real(fd);
  if (!verdict.is_swallowed) note(kind, result ? errno : 0, 0, file->node, 0, 0, file->path, NULL, NULL);
  unlock();
  return result;
}

int fsync(int fd) {
  struct open_file *file = tracked(fd);
  REAL(fsync);
  return file ? sync_any(fd, file, real) : real(fd);
}

int fdatasync(int fd) {
  struct open_file *file = tracked(fd);
  REAL(fdatasync);
  return file ? sync_any(fd, file, real) : real(fd);
}

/* ---- names ---- */

#define NAMED(kind, path, other, flags, call) \
  lock(); \
  int error_ = judge(kind, path).error; \
  int result_ = error_ ? fail(error_) : (call); \
  note(kind, result_ ? errno : 0, flags, 0, 0, 0, path, other, NULL); \
  unlock(); \
  return result_

static int rename_any(int folder, const char *path, int other_folder, const char *other) {
  char inside[PATH_MAX], renamed[PATH_MAX];
  REAL(renameat);
  int is_from = below_root(folder, path, inside), is_to = below_root(other_folder, other, renamed);
  if (!is_from && !is_to) return real(folder, path, other_folder, other);
  if (!is_from || !is_to) abort(); /* a name that crosses the border of the folder is not modelled */
  NAMED(RENAME, inside, renamed, 0, real(folder, path, other_folder, other));
}

int rename(const char *path, const char *other) { return rename_any(AT_FDCWD, path, AT_FDCWD, other); }
int renameat(int folder, const char *path, int other_folder, const char *other) { return rename_any(folder, path, other_folder, other); }

static int link_any(int folder, const char *path, int other_folder, const char *other, int flags) {
  char inside[PATH_MAX], linked[PATH_MAX];
  REAL(linkat);
  int is_from = below_root(folder, path, inside), is_to = below_root(other_folder, other, linked);
  if (!is_from && !is_to) return real(folder, path, other_folder, other, flags);
  if (!is_from || !is_to) abort();
  NAMED(LINK, inside, linked, 0, real(folder, path, other_folder, other, flags));
}

int link(const char *path, const char *other) { return link_any(AT_FDCWD, path, AT_FDCWD, other, 0); }
int linkat(int folder, const char *path, int other_folder, const char *other, int flags) {
  return link_any(folder, path, other_folder, other, flags);
}

static int unlink_any(int folder, const char *path, int flags) {
  char inside[PATH_MAX];
  REAL(unlinkat);
  if (!below_root(folder, path, inside)) return real(folder, path, flags);
  if (strncmp(inside, MARKS + 1, strlen(MARKS + 1)) == 0) {
    lock();
    note(MARK, 0, 0, 0, 0, 0, inside + strlen(MARKS + 1), NULL, NULL);
    unlock();
    return fail(ENOENT);
  }
  /* A name that is not there: nothing happens. */
  struct stat status;
  if (fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) != 0) return real(folder, path, flags);
  NAMED(flags & AT_REMOVEDIR ? RMDIR : UNLINK, inside, NULL, 0, real(folder, path, flags));
}

int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return unlink_any(folder, path, flags); }
int rmdir(const char *path) { return unlink_any(AT_FDCWD, path, AT_REMOVEDIR); }

int remove(const char *path) {
  struct stat status;
  int is_folder = lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return unlink_any(AT_FDCWD, path, is_folder ? AT_REMOVEDIR : 0);
}

static int mkdir_any(int folder, const char *path, mode_t mode) {
  char inside[PATH_MAX];
  struct stat status;
  REAL(mkdirat);
  if (!below_root(folder, path, inside) || fstatat(folder, path, &status, 0) == 0) return real(folder, path, mode);
  NAMED(MKDIR, inside, NULL, 0, real(folder, path, mode));
}

int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return mkdir_any(folder, path, mode); }

/* ---- reading: not in the journal, as it changes nothing ---- */

static ssize_t flip(char *bytes, ssize_t done, struct verdict verdict) {
  if (done > 0 && verdict.is_flipped) bytes[draw() % (uint64_t)done] ^= (char)(1 << draw() % 8);
  return done;
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t at) {
  struct open_file *file = tracked(fd);
  REAL(pread64);
  if (file == NULL || control == NULL) return real(fd, bytes, count, at);
  struct verdict verdict = judge(READ, file->path);
  return verdict.error ? fail(verdict.error) : flip(bytes, real(fd, bytes, count, at), verdict);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t at) { return pread64(fd, bytes, count, at); }

ssize_t read(int fd, void *bytes, size_t count) {
  struct open_file *file = tracked(fd);
  REAL(read);
  if (file == NULL || control == NULL) return real(fd, bytes, count);
  struct verdict verdict = judge(READ, file->path);
  return verdict.error ? fail(verdict.error) : flip(bytes, real(fd, bytes, count), verdict);
}
