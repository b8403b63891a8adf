/* upgrade_test.c - what a newer program finds is kept, and comes back whole from wherever it was cut off. */
#include "upgrade.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "rt/file.h"
#include "store/store.h"

TEST(versions_are_compared_number_by_number)
{
    struct program a = {"0.10", 2, 2}, b = {"0.9", 2, 2};
    CHECK(program_newer(&a, &b) && !program_newer(&b, &a) && !program_newer(&a, &a));
    b = (struct program){"0.10.1", 2, 2};
    CHECK(program_newer(&b, &a) && !program_newer(&a, &b));
    b.format = 1; /* the format decides */
    CHECK(program_newer(&a, &b) && !program_newer(&b, &a));
    b = (struct program){"99999999999999999999999999", 2, 2};
    CHECK(program_newer(&b, &a));
}

TEST(a_program_is_told_by_what_stands_in_its_bytes)
{
    struct program p;
    CHECK_OK(program_of_bytes(SL("\x7f"
                                 "ELF\n...\nTRAM PROGRAM \0...\nTRAM PROGRAM 1.2 FORMAT 5 READS 4\n..."),
                              &p));
    CHECK(strcmp(p.version, "1.2") == 0 && p.format == 5 && p.reads == 4);
    static const char *const bad[] = {"",
                                      "\nTRAM PROGRAM ",
                                      "\nTRAM PROGRAM x FORMAT 1 READS 1\n",
                                      "\nTRAM PROGRAM 1 FORMAT 2",
                                      "\nTRAM PROGRAM 1 FORMAT 2 READS x\n",
                                      "\nTRAM PROGRAM 1 FORMAT 99999999999999999999 READS 1\n",
                                      "\nTRAM PROGRAM 1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1 FORMAT 2 READS 2\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_ERR(program_of_bytes(sl_cstr(bad[i]), &p), ERR_NOT_FOUND);
}

/* ---- a store of files that mean nothing ---- */

static char dir[40];
static int came_from;

static void begin(void)
{
    memcpy(dir, "/tmp/tram-upgrade-XXXXXX", sizeof "/tmp/tram-upgrade-XXXXXX");
    came_from = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(came_from >= 0 && mkdtemp(dir) && chdir(dir) == 0);
    REQUIRE(mkdir("store", 0700) == 0 && mkdir("store/index", 0700) == 0 && mkdir("store/bodies", 0700) == 0);
    CHECK_OK(path_write("store/index/CURRENT", SL("old"), 0600));
    CHECK_OK(path_write("store/index/1.sst", SL("table"), 0600));
    CHECK_OK(path_write("store/index/2.log", SL("log"), 0600));
    CHECK_OK(path_write("store/index/LOCK", SL(""), 0600));
    CHECK_OK(path_write("store/bodies/mail-0000000000000001.pack", SL("letters"), 0600));
    CHECK_OK(path_write("store/bodies/mail-0000000000000002.part", SL("young"), 0600));
    CHECK_OK(path_write("store/written-by", SL("\nTRAM PROGRAM 0.1 FORMAT 2 READS 2\n"), 0600));
}

static int remove_all(void *at, const char *name)
{
    struct arena a;
    struct path_info info;
    ar_init(&a, 0);
    const char *path = ar_printf(&a, "%s/%s", (const char *)at, name).p;
    CHECK_OK(path_info(path, &info));
    if (info.kind == PATH_FOLDER) CHECK(path_list(path, remove_all, (void *)path) == 0 && rmdir(path) == 0);
    else CHECK_OK(path_unlink(path));
    ar_free(&a);
    return 0;
}

static void end(void)
{
    CHECK_OK(path_list(".", remove_all, (void *)"."));
    REQUIRE(fchdir(came_from) == 0 && close(came_from) == 0 && rmdir(dir) == 0);
}

static bool holds(const char *path, const char *what)
{
    struct buf b = BUF_INIT;
    bool yes = path_read(path, 1000, &b) == 0 && sl_eq(buf_slice(&b), sl_cstr(what));
    buf_free(&b);
    return yes;
}

/* As an engine writes: logs over what they held, tables never; a pack is sealed; another one comes. */
static void go_on_writing(void)
{
    int log = open("store/index/2.log", O_WRONLY | O_CLOEXEC);
    CHECK(log >= 0 && write(log, "NEW", 3) == 3 && close(log) == 0);
    CHECK_OK(path_unlink("store/index/1.sst"));
    CHECK_OK(path_write("store/index/CURRENT", SL("new"), 0600));
    CHECK_OK(path_unlink("store/bodies/mail-0000000000000001.pack"));
    CHECK_OK(
        path_rename("store/bodies/mail-0000000000000002.part", "store/bodies/mail-0000000000000002.pack"));
    CHECK_OK(path_write("store/bodies/mail-0000000000000003.pack", SL("since"), 0600));
}

static void check_is_back(void)
{
    CHECK(holds("store/index/CURRENT", "old") && holds("store/index/1.sst", "table") &&
          holds("store/index/2.log", "log"));
    CHECK(holds("store/bodies/mail-0000000000000001.pack", "letters") &&
          holds("store/bodies/mail-0000000000000002.pack", "young") &&
          holds("store/bodies/mail-0000000000000003.pack", "since"));
    CHECK(!path_exists("store/bodies/mail-0000000000000002.part") && !path_exists("store/before"));
    CHECK(path_exists("store/index.loss"));
    struct program by;
    CHECK_OK(home_written_by(&by));
    CHECK(strcmp(by.version, "0.1") == 0);
}

static void roll_back(void)
{
    struct arena a;
    struct home_snapshot what;
    struct slice aside;
    ar_init(&a, 0);
    CHECK_OK(home_rollback(&a, &what, &aside));
    CHECK(what.by.format == 2);
    ar_free(&a);
}

TEST(what_another_program_has_written_comes_back_as_it_was)
{
    struct program by;
    begin();
    CHECK_OK(path_mkdir("store/before.unfinished")); /* of a start that was cut off */
    CHECK_OK(home_before_open());
    CHECK_OK(home_written_by(&by));
    CHECK(strcmp(by.version, this_program.version) == 0);
    go_on_writing();
    CHECK_OK(home_before_open()); /* later starts of the same program keep what there is */
    CHECK(holds("store/before/index/CURRENT", "old"));
    roll_back();
    check_is_back();
    struct arena a;
    struct home_snapshot what;
    struct slice aside;
    ar_init(&a, 0);
    CHECK_ERR(home_rollback(&a, &what, &aside), ERR_NOT_FOUND);
    ar_free(&a);
    end();
}

TEST(a_way_back_that_was_cut_off_is_gone_to_its_end)
{
    for (int cut = 0; cut < 3; cut++) {
        begin();
        CHECK_OK(home_before_open());
        go_on_writing();
        CHECK_OK(path_write("store/index.loss", SL("as noted"), 0600));
        CHECK_OK(path_rename("store/index", "store/index.after-1"));
        if (cut > 0) CHECK_OK(path_rename("store/before/index", "store/index"));
        if (cut > 1) {
            CHECK_OK(path_link("store/before/bodies/mail-0000000000000001.pack",
                               "store/bodies/mail-0000000000000001.pack"));
            CHECK(path_list("store/before/bodies", remove_all, (void *)"store/before/bodies") == 0 &&
                  rmdir("store/before/bodies") == 0);
        }
        CHECK_ERR(home_rollback_ended(), ERR_STATE); /* no program may begin to write in between */
        CHECK_ERR(home_before_open(), ERR_STATE);
        roll_back();
        check_is_back();
        CHECK_OK(home_rollback_ended());
        end();
    }
}

TEST(a_snapshot_whose_removal_was_cut_off_is_none)
{
    struct arena a;
    struct home_snapshot what;
    struct slice aside;
    bool was;
    begin();
    CHECK_OK(home_before_open());
    CHECK_OK(home_rollback_ended());
    CHECK_OK(path_unlink("store/before/written-by")); /* what is removed first */
    CHECK_OK(home_before_open());
    ar_init(&a, 0);
    CHECK_ERR(home_rollback(&a, &what, &aside), ERR_NOT_FOUND);
    ar_free(&a);
    CHECK_OK(home_snapshot_forget(true, &was));
    CHECK(was && !path_exists("store/before"));
    end();
}

TEST(the_store_of_a_newer_format_is_left_alone)
{
    begin();
    CHECK_OK(path_write("store/written-by", SL("\nTRAM PROGRAM 9.0 FORMAT 9 READS 9\n"), 0600));
    CHECK_ERR(home_before_open(), ERR_VERSION);
    CHECK(!path_exists("store/before"));
    CHECK_OK(path_write("store/written-by", SL("\nTRAM PROGRAM 9.0 FORMAT 2 READS 2\n"), 0600));
    CHECK_OK(home_before_open()); /* a newer program, but not a newer format: nothing is to be kept */
    CHECK(!path_exists("store/before") && holds("store/written-by", "\nTRAM PROGRAM 9.0 FORMAT 2 READS 2\n"));
    CHECK_OK(path_write("store/written-by", SL("\xff\0damaged"), 0600));
    CHECK_OK(home_before_open());
    CHECK(path_exists("store/before/index/1.sst"));
    end();
}

TEST(a_snapshot_goes_after_its_days)
{
    bool was;
    begin();
    CHECK_OK(home_before_open());
    CHECK_OK(home_snapshot_forget(false, &was));
    CHECK(!was && path_exists("store/before"));
    CHECK_OK(path_set_time("store/before", rt_wall_seconds() - SNAPSHOT_DAYS * 86400 - 1));
    CHECK_OK(home_snapshot_forget(false, &was));
    CHECK(was && !path_exists("store/before"));
    CHECK_OK(home_snapshot_forget(true, &was));
    CHECK(!was);
    end();
}
