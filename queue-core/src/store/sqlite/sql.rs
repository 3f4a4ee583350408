//! The statements, one file each; the file says what it takes and gives.

/// Declares each statement, and the list of all for the tests.
macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) const $name: &str = include_str!($file);)*
        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[&str] = &[$($name),*];
    };
}

statements! {
    ABSOLVE = "sql/absolve.sql";
    BODY_DELETE = "sql/body_delete.sql";
    BODY_INSERT = "sql/body_insert.sql";
    BODY_REPLACE = "sql/body_replace.sql";
    CHORD_EXPIRE = "sql/chord_expire.sql";
    CHORD_PART_DELETE = "sql/chord_part_delete.sql";
    CHORD_PART_EXPIRE = "sql/chord_part_expire.sql";
    CHORD_PART_INSERT = "sql/chord_part_insert.sql";
    CHORD_PART_LIST = "sql/chord_part_list.sql";
    CHORD_READ = "sql/chord_read.sql";
    CHORD_WRITE = "sql/chord_write.sql";
    DEAD_DELETE = "sql/dead_delete.sql";
    DEAD_INSERT = "sql/dead_insert.sql";
    DELETE = "sql/delete.sql";
    DUE = "sql/due.sql";
    FIND = "sql/find.sql";
    GIVE_BACK = "sql/give_back.sql";
    GROUP_DELETE = "sql/group_delete.sql";
    GROUP_EXPIRE = "sql/group_expire.sql";
    GROUP_EXTEND = "sql/group_extend.sql";
    GROUP_READ = "sql/group_read.sql";
    GROUP_WRITE = "sql/group_write.sql";
    HELD_CHECK = "sql/held_check.sql";
    HELD_COUNT = "sql/held_count.sql";
    HELD_ONE = "sql/held_one.sql";
    HELD_ROWS = "sql/held_rows.sql";
    JOB_INSERT = "sql/job_insert.sql";
    JOB_INSERT_FIRST = "sql/job_insert_first.sql";
    LEASE = "sql/lease.sql";
    META_READ = "sql/meta_read.sql";
    META_WRITE = "sql/meta_write.sql";
    NEXT_DUE = "sql/next_due.sql";
    OLDEST = "sql/oldest.sql";
    ORPHANS_BODY = "sql/orphans_body.sql";
    ORPHANS_CHORD = "sql/orphans_chord.sql";
    ORPHANS_CHORD_PART = "sql/orphans_chord_part.sql";
    ORPHANS_DEAD = "sql/orphans_dead.sql";
    ORPHANS_GROUP = "sql/orphans_group.sql";
    ORPHANS_JOB = "sql/orphans_job.sql";
    ORPHANS_POST = "sql/orphans_post.sql";
    ORPHANS_PRODUCER = "sql/orphans_producer.sql";
    ORPHANS_RESULT = "sql/orphans_result.sql";
    ORPHANS_REVOKED = "sql/orphans_revoked.sql";
    ORPHANS_SENT = "sql/orphans_sent.sql";
    ORPHANS_TALLY = "sql/orphans_tally.sql";
    ORPHANS_WORKER = "sql/orphans_worker.sql";
    PAGE_DEAD = "sql/page_dead.sql";
    PAGE_LEASED = "sql/page_leased.sql";
    PAGE_READY = "sql/page_ready.sql";
    PAGE_SCHEDULED = "sql/page_scheduled.sql";
    PAYLOAD = "sql/payload.sql";
    POST_EXPIRE = "sql/post_expire.sql";
    POST_INSERT = "sql/post_insert.sql";
    POST_SINCE = "sql/post_since.sql";
    PRODUCER_EXPIRE = "sql/producer_expire.sql";
    PRODUCER_KEPT_OUT = "sql/producer_kept_out.sql";
    PRODUCER_LET_IN = "sql/producer_let_in.sql";
    PRODUCER_SEE = "sql/producer_see.sql";
    PROMOTE = "sql/promote.sql";
    PURGE_DEAD = "sql/purge_dead.sql";
    PURGE_READY = "sql/purge_ready.sql";
    PURGE_SCHEDULED = "sql/purge_scheduled.sql";
    QUEUE_ADD = "sql/queue_add.sql";
    QUEUE_ID = "sql/queue_id.sql";
    QUEUE_LIST = "sql/queue_list.sql";
    QUEUE_NAME = "sql/queue_name.sql";
    RECLAIM = "sql/reclaim.sql";
    RESULT_DELETE = "sql/result_delete.sql";
    RESULT_EXPIRE = "sql/result_expire.sql";
    RESULT_GET = "sql/result_get.sql";
    RESULT_INSERT = "sql/result_insert.sql";
    RESULT_OLD = "sql/result_old.sql";
    RESULT_SINCE = "sql/result_since.sql";
    RETRY_DEAD = "sql/retry_dead.sql";
    REVOKE = "sql/revoke.sql";
    REVOKED_EXPIRE = "sql/revoked_expire.sql";
    REVOKED_LIST = "sql/revoked_list.sql";
    REVOKED_SINCE = "sql/revoked_since.sql";
    SENT_EXPIRE = "sql/sent_expire.sql";
    SENT_NOTE = "sql/sent_note.sql";
    SENT_READ = "sql/sent_read.sql";
    SETTLE_DEAD = "sql/settle_dead.sql";
    SETTLE_DONE = "sql/settle_done.sql";
    SWEEP_CUT = "sql/sweep_cut.sql";
    SWEEP_DEAD = "sql/sweep_dead.sql";
    SWEEP_MARK = "sql/sweep_mark.sql";
    SWEEP_NAP = "sql/sweep_nap.sql";
    SWEEP_RESTART = "sql/sweep_restart.sql";
    TALLY_ADD = "sql/tally_add.sql";
    TALLY_READ = "sql/tally_read.sql";
    WORKER_ALIVE = "sql/worker_alive.sql";
    WORKER_COUNT = "sql/worker_count.sql";
    WORKER_DELETE = "sql/worker_delete.sql";
    WORKER_EXTEND = "sql/worker_extend.sql";
    WORKER_ID = "sql/worker_id.sql";
    WORKER_INSERT = "sql/worker_insert.sql";
    WORKER_LIST = "sql/worker_list.sql";
    WORKER_QUEUES = "sql/worker_queues.sql";
}
