<?php
// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
// Fibers that take turns inside SQLite's calls: each leaves its call from an authorizer or a function.

function lite(string $name): array
{
    $db = new SQLite3(':memory:');
    $db->exec("create table t (a text); insert into t values ('c'), ('a'), ('b')");
    $db->createFunction('turn', function ($value) {
        Fiber::suspend();
        return strtoupper($value);
    });
    $db->setAuthorizer(function () {
        if (Fiber::getCurrent() !== null) {
            Fiber::suspend();
        }
        return SQLite3::OK;
    });
    $said = [$name];
    for ($i = 0; $i < 3; $i++) {
        $statement = $db->prepare('select turn(a) from t order by a');
        $rows = $statement->execute();
        while ($row = $rows->fetchArray(SQLITE3_NUM)) {
            $said[] = $row[0];
        }
        $rows->finalize();
        $statement->close();
    }
    try {
        $db->setAuthorizer(function () {
            throw new Exception('thrown inside');
        });
        $db->enableExceptions(true);
        @$db->prepare('select a from t');
    } catch (Throwable $thrown) {
        $said[] = 'caught';
    }
    return $said;
}

$fibers = [new Fiber('lite'), new Fiber('lite'), new Fiber('lite')];
foreach ($fibers as $number => $fiber) {
    $fiber->start("fiber $number");
}
do {
    $at_work = false;
    foreach ($fibers as $fiber) {
        if (!$fiber->isTerminated()) {
            $fiber->resume();
            $at_work = true;
        }
    }
} while ($at_work);
foreach ($fibers as $fiber) {
    echo implode(' ', $fiber->getReturn()), "\n";
}
echo "ends well\n";
