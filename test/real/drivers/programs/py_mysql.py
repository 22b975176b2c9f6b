# PyMySQL as a program of ../program.ts.
import pymysql
from loop import MySQL, describe_mysql, serve
from pymysql.constants import CLIENT


class Verbs(MySQL):
    driver = pymysql
    options = {"local_infile": True, "client_flag": CLIENT.MULTI_STATEMENTS}


if __name__ == "__main__":
    serve(pymysql.__version__, Verbs(), describe_mysql)
