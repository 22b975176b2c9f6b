# mysqlclient as a program of ../program.ts.
import MySQLdb
from loop import MySQL, describe_mysql, serve
from MySQLdb.constants import CLIENT


class Verbs(MySQL):
    driver = MySQLdb
    options = {"local_infile": 1, "client_flag": CLIENT.MULTI_STATEMENTS}


if __name__ == "__main__":
    serve(MySQLdb.__version__, Verbs(), describe_mysql)
