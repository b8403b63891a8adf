/* file_test.c - files and folders of the real world. */
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_rt.h"

static char dir[64], path_buf[8][160];

static const char *in_dir(const char *name)
{
    static int next;
    char *p = path_buf[next++ % 8];
    snprintf(p, sizeof path_buf[0], "%s/%s", dir, name);
    return p;
}

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/tram-file-test-XXXXXX");
    if (!mkdtemp(dir)) test_fail(__FILE__, __LINE__, "no folder");
}

static int remove_one(void *arg, const char *name)
{
    (void)arg;
    return path_unlink(in_dir(name));
}

static void remove_dir(void)
{
    CHECK_OK(path_list(dir, remove_one, NULL));
    CHECK(rmdir(dir) == 0);
}

TEST(files_are_written_and_read)
{
    make_dir();
    struct file *f = NULL;
    char b[64];
    uint64_t size;
    CHECK_ERR(file_open(&f, in_dir("x"), FILE_READ), ERR_NOT_FOUND);
    CHECK(sl_find(sl_cstr(err_text(ERR_NOT_FOUND)), sl_cstr(in_dir("x"))) != SL_NONE);
    REQUIRE(file_open(&f, in_dir("x"), FILE_WRITE | FILE_CREATE | FILE_EXCL) == 0);
    struct file_part parts[] = {{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
    CHECK_OK(file_pwritev(f, parts, 4, 0));
    CHECK_OK(file_pwrite(f, "TWO", 3, 4));
    CHECK_OK(file_sync(f));
    CHECK_OK(file_size(f, &size));
    CHECK_INT(size, 13);
    CHECK_INT(file_pread(f, b, sizeof b, 0), 13);
    CHECK_SL(sl(b, 13), "one TWO three");
    CHECK_INT(file_read(f, b, sizeof b, 4), 9);
    CHECK_SL(sl(b, 9), "TWO three");
    CHECK_INT(file_read(f, b, 3, 4), 3);
    CHECK_INT(file_read(f, b, 3, 100), 0);
    CHECK_INT(file_read(f, b, 0, 0), 0);
    CHECK_OK(file_truncate(f, 3));
    CHECK_INT(file_pread(f, b, sizeof b, 1), 2);
    file_close(&f);
    CHECK(f == NULL);
    file_close(&f);
    struct stat st;
    CHECK(stat(in_dir("x"), &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_ERR(file_open(&f, in_dir("x"), FILE_WRITE | FILE_CREATE | FILE_EXCL), ERR_EXISTS);
    CHECK_OK(file_open(&f, in_dir("x"), FILE_WRITE | FILE_TRUNC));
    CHECK_OK(file_size(f, &size));
    CHECK_INT(size, 0);
    file_close(&f);
    remove_dir();
}

TEST(many_parts_in_one_write)
{
    make_dir();
    struct file *f = NULL;
    struct file_part parts[1000];
    char digits[10] = "0123456789", *b = malloc(5000);
    for (int i = 0; i < 1000; i++) parts[i] = (struct file_part){digits + i % 10, i % 10 == 0 ? 10 : 1};
    REQUIRE(file_open(&f, in_dir("x"), FILE_WRITE | FILE_CREATE) == 0);
    CHECK_OK(file_pwritev(f, parts, 1000, 7));
    CHECK_INT(file_pread(f, b, 5000, 7), 1900);
    CHECK_SL(sl(b + 1881, 19), "0123456789123456789");
    file_close(&f);
    free(b);
    remove_dir();
}

static int count_names(void *arg, const char *name)
{
    (void)name;
    return ++*(int *)arg >= 2 ? 77 : 0;
}

TEST(what_others_made_is_looked_at_first)
{
    make_dir();
    struct path_info i;
    struct file *f;
    CHECK_OK(path_write(in_dir("plain"), SL("five!"), 0600));
    CHECK_OK(path_set_time(in_dir("plain"), 1234567890));
    CHECK_OK(path_info(in_dir("plain"), &i));
    CHECK(i.kind == PATH_FILE && i.size == 5 && i.changed == 1234567890);
    CHECK_OK(path_info(dir, &i));
    CHECK(i.kind == PATH_FOLDER);
    CHECK(symlink(in_dir("plain"), in_dir("link")) == 0 && mkfifo(in_dir("pipe"), 0600) == 0);
    CHECK_OK(path_info(in_dir("link"), &i));
    CHECK(i.kind == PATH_OTHER);
    CHECK_ERR(file_open(&f, in_dir("link"), FILE_STRANGE), ERR_DENIED);
    CHECK_ERR(file_open(&f, in_dir("pipe"), FILE_STRANGE), ERR_DENIED);
    CHECK_ERR(file_open(&f, dir, FILE_STRANGE), ERR_DENIED);
    CHECK_OK(file_open(&f, in_dir("plain"), FILE_STRANGE));
    file_close(&f);
    CHECK_ERR(path_info(in_dir("none"), &i), ERR_NOT_FOUND);
    CHECK_ERR(path_set_time(in_dir("none"), 1), ERR_NOT_FOUND);
    remove_dir();
}

TEST(names_change)
{
    make_dir();
    uint64_t before, space;
    int n = 0;
    CHECK_INT(path_stamp(in_dir("a")), 0);
    CHECK_OK(path_write(in_dir("a"), SL("first"), 0640));
    before = path_stamp(in_dir("a"));
    CHECK(before != 0);
    CHECK_OK(path_write(in_dir("a"), SL("second"), 0640));
    CHECK(path_stamp(in_dir("a")) != before);
    struct stat st;
    CHECK(stat(in_dir("a"), &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK_OK(path_link(in_dir("a"), in_dir("b")));
    CHECK_ERR(path_link(in_dir("a"), in_dir("b")), ERR_EXISTS);
    CHECK_OK(path_rename(in_dir("b"), in_dir("c")));
    CHECK(!path_exists(in_dir("b")));
    CHECK(path_exists(in_dir("c")));
    CHECK_ERR(path_rename(in_dir("b"), in_dir("c")), ERR_NOT_FOUND);
    CHECK_ERR(path_unlink(in_dir("b")), ERR_NOT_FOUND);
    CHECK_OK(path_mkdir(in_dir("d")));
    CHECK_ERR(path_mkdir(in_dir("d")), ERR_EXISTS);
    CHECK(rmdir(in_dir("d")) == 0);
    CHECK_OK(path_sync_dir(dir));
    CHECK_INT(path_list(dir, count_names, &n), 77);
    CHECK_ERR(path_list(in_dir("none"), count_names, &n), ERR_NOT_FOUND);
    CHECK_OK(path_free_space(dir, &space));
    CHECK(space > 0);
    CHECK_OK(path_sync_all(dir));
    CHECK_ERR(path_sync_all(in_dir("none")), ERR_NOT_FOUND);
    CHECK_ERR(path_write(in_dir("none/x"), SL("x"), 0600), ERR_NOT_FOUND);
    remove_dir();
}

TEST(whole_files)
{
    make_dir();
    struct buf b = BUF_INIT, big = BUF_INIT;
    for (int i = 0; i < 10000; i++) buf_printf(&big, "%d ", i);
    CHECK_OK(path_write(in_dir("x"), buf_slice(&big), 0600));
    CHECK_OK(path_read(in_dir("x"), big.n, &b));
    CHECK(sl_eq(buf_slice(&b), buf_slice(&big)));
    buf_clear(&b);
    CHECK_ERR(path_read(in_dir("x"), big.n - 1, &b), ERR_TOO_LONG);
    CHECK_ERR(path_read(in_dir("y"), 10, &b), ERR_NOT_FOUND);
    CHECK_OK(path_write(in_dir("empty"), SL(""), 0600));
    buf_clear(&b);
    CHECK_OK(path_read(in_dir("empty"), 0, &b));
    CHECK_INT(b.n, 0);
    buf_free(&b);
    buf_free(&big);
    remove_dir();
}
