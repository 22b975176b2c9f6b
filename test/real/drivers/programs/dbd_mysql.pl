# Perl's DBD::mysql or DBD::MariaDB, which the argument names, as a program of ../program.ts. They fill in parameters themselves unless they are
# told to prepare on the server. KILL QUERY comes from a process of its own.
use strict;
use warnings;
use DBI;
use FindBin;
use lib $FindBin::Bin;
use Loop;
use POSIX ();

my ($driver) = @ARGV;
# Begins the names of the driver's own options.
my $own = lc $driver;
DBI->install_driver($driver);
my ($dbh, @to);

sub run {
    my ($sql, @values) = @_;
    my $statement = $dbh->prepare($sql);
    $statement->execute(@values);
    return fetched($statement);
}

serve(
    "DBD::$driver"->VERSION,
    connect => sub {
        my ($port, $user, $password, $database) = @_;
        my %options = (RaiseError => 1, PrintError => 0, PrintWarn => 0, AutoInactiveDestroy => 1);
        @to = ("dbi:$driver:host=127.0.0.1;port=$port;database=$database;${own}_local_infile=1;${own}_multi_statements=1",
            $user, $password, { %options, $driver eq 'mysql' ? (mysql_enable_utf8mb4 => 1) : () });
        $dbh = DBI->connect(@to);
        return {};
    },
    query => \&run,
    param => \&run,
    prepared => sub {
        my ($sql, @values) = @_;
        my $statement = $dbh->prepare($sql, { "${own}_server_prepare" => 1 });
        my @found;
        for my $value (@values) {
            $statement->execute($value);
            push @found, @{ fetched($statement)->{rows} };
        }
        return { rows => \@found };
    },
    blob => sub {
        my ($insert, $select, $data) = @_;
        my $statement = $dbh->prepare($insert, { "${own}_server_prepare" => 1 });
        $statement->bind_param(1, pack('H*', $data), DBI::SQL_BLOB());
        $statement->execute;
        return { rows => [[unpack 'H*', $dbh->selectrow_array($select)]] };
    },
    multi => sub {
        my ($sql) = @_;
        my $statement = $dbh->prepare($sql);
        $statement->execute;
        my @found;
        do { push @found, @{ fetched($statement)->{rows} } } while $statement->more_results;
        return { rows => \@found };
    },
    begin => sub { $dbh->begin_work; return {} },
    commit => sub { $dbh->commit; return {} },
    rollback => sub { $dbh->rollback; return {} },
    autocommit => sub { $dbh->{AutoCommit} = $_[0]; return {} },
    cancel => sub {
        my ($sql) = @_;
        my $id = $dbh->{"${own}_thread_id"};
        my $child = fork;
        if ($child == 0) {
            <STDIN>;
            DBI->connect(@to)->do("KILL QUERY $id");
            POSIX::_exit(0);
        }
        my $answer = eval { run($sql) };
        my ($state, $err, $errstr) = ($DBI::state, $DBI::err, $DBI::errstr);
        waitpid $child, 0;
        return $answer // { error => { sqlstate => $state, errno => $err, message => $errstr } };
    },
    close => sub { $dbh->disconnect; return {} },
);
