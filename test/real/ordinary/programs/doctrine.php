<?php
// Doctrine's DBAL and ORM: schema introspection and ordinary statements. `tour`: everything once; `day SEED COUNT`: as many operations,
// drawn by the seed.
require 'Doctrine/ORM/autoload.php';

use Doctrine\DBAL\ArrayParameterType;
use Doctrine\DBAL\Connection;
use Doctrine\DBAL\DriverManager;
use Doctrine\DBAL\LockMode;
use Doctrine\DBAL\ParameterType;
use Doctrine\DBAL\TransactionIsolationLevel;
use Doctrine\ORM\Configuration;
use Doctrine\ORM\EntityManager;
use Doctrine\ORM\Mapping\Driver\AttributeDriver;
use Doctrine\ORM\Mapping as ORM;
use Doctrine\ORM\Tools\SchemaTool;

#[ORM\Entity, ORM\Table(name: 'customers')]
class Customer
{
    #[ORM\Id, ORM\Column, ORM\GeneratedValue(strategy: 'SEQUENCE'), ORM\SequenceGenerator(sequenceName: 'customers_id_seq')]
    public int $id;
    #[ORM\Column]
    public string $email;
    #[ORM\Column(type: 'text')]
    public string $name;
    #[ORM\Column(type: 'json')]
    public array $settings = [];
    #[ORM\Column]
    public bool $active = true;
    #[ORM\OneToMany(targetEntity: Purchase::class, mappedBy: 'customer')]
    public $orders;
}

#[ORM\Entity, ORM\Table(name: 'orders')]
class Purchase
{
    #[ORM\Id, ORM\Column(type: 'bigint')]
    public string $id;
    #[ORM\ManyToOne(targetEntity: Customer::class, inversedBy: 'orders'), ORM\JoinColumn(name: 'customer_id')]
    public Customer $customer;
    #[ORM\Column]
    public string $state;
    #[ORM\Column(type: 'decimal')]
    public string $total;
    #[ORM\Column]
    public string $placed_at;
}

function manager(): EntityManager
{
    $config = new Configuration();
    $config->setMetadataDriverImpl(new AttributeDriver([__DIR__]));
    $config->setProxyDir(sys_get_temp_dir());
    $config->setProxyNamespace('Proxies');
    $config->setAutoGenerateProxyClasses(true);
    $parameters = ['driver' => 'pdo_pgsql', 'host' => getenv('PGHOST'), 'port' => (int) getenv('PGPORT'), 'user' => getenv('PGUSER'),
        'password' => getenv('PGPASSWORD'), 'dbname' => getenv('PGDATABASE'), 'sslmode' => 'disable', 'gssencmode' => 'disable', 'charset' => 'utf8'];
    return new EntityManager(DriverManager::getConnection($parameters, $config), $config);
}

$day = [
    function (EntityManager $m) {
        $customer = new Customer();
        $customer->email = 'doctrine-' . bin2hex(random_bytes(8)) . '@example.org';
        $customer->name = 'Ann Person';
        $customer->settings = ['theme' => 'dark'];
        $m->persist($customer);
        $m->flush();
        $customer->name = 'Bea';
        $m->flush();
        $m->remove($customer);
        $m->flush();
    },
    function (EntityManager $m) {
        $customer = $m->find(Customer::class, mt_rand(1, 50));
        count($customer->orders);
        $m->getRepository(Customer::class)->findBy(['active' => true], ['id' => 'DESC'], 5, 2);
        $m->createQuery('SELECT c, o FROM Customer c LEFT JOIN c.orders o WHERE c.name LIKE :name AND SIZE(c.orders) > 0')->setParameter('name', 'Person%')->getResult();
    },
    function (EntityManager $m) {
        $m->createQuery('SELECT o.state, COUNT(o.id), AVG(o.total), MAX(o.placed_at) FROM Purchase o WHERE o.placed_at > :at GROUP BY o.state HAVING COUNT(o.id) > 0')->setParameter('at', '2020-01-01')->getResult();
        $m->createQueryBuilder()->select('c')->from(Customer::class, 'c')->where('c.id IN (:ids)')->setParameter('ids', [1, 2, 3])->getQuery()->getArrayResult();
        $m->createQuery('UPDATE Customer c SET c.active = true WHERE c.id = :id')->setParameter('id', mt_rand(1, 50))->execute();
    },
    function (EntityManager $m) {
        $m->wrapInTransaction(function (EntityManager $m) {
            $order = $m->find(Purchase::class, mt_rand(1, 50), LockMode::PESSIMISTIC_WRITE);
            $order->total = '5.00';
        });
    },
    function (EntityManager $m) {
        $c = $m->getConnection();
        $c->insert('events', ['kind' => 'doctrine', 'payload' => '{}']);
        $c->update('products', ['stock' => 500], ['id' => mt_rand(1, 20)]);
        $c->delete('events', ['kind' => 'nothing']);
        $c->fetchAllAssociative('SELECT * FROM customers WHERE id IN (?) AND active = ?', [[1, 2], true], [ArrayParameterType::INTEGER, ParameterType::BOOLEAN]);
        $c->createQueryBuilder()->select('id', 'name')->from('products')->where('price > :price')->setParameter('price', 3)->setMaxResults(5)->executeQuery()->fetchAllNumeric();
        $c->transactional(fn (Connection $c) => $c->executeStatement("INSERT INTO sales.targets VALUES (?, 2024, 1) ON CONFLICT DO NOTHING", ['doctrine' . mt_rand(1, 5)]));
    },
];

$manager = manager();
if ($argv[1] === 'tour') {
    $c = $manager->getConnection();
    $schema = $c->createSchemaManager();
    $schema->listDatabases();
    $schema->listSchemaNames();
    foreach ($schema->listTableNames() as $table) {
        $schema->tablesExist([$table]);
    }
    $c->getDatabasePlatform()->registerDoctrineTypeMapping('citext', 'text');
    foreach (['order_state', 'address', 'hstore', 'int4range', 'tstzrange', 'tsvector', '_text'] as $type) {
        $c->getDatabasePlatform()->registerDoctrineTypeMapping($type, 'string');
    }
    if (!$schema->introspectSchema()->hasTable('customers')) {
        throw new Exception('no customers');
    }
    $schema->listViews();
    $schema->listSequences();
    foreach (['customers', 'orders'] as $table) {
        $schema->listTableColumns($table);
        $schema->listTableIndexes($table);
        $schema->listTableForeignKeys($table);
    }
    (new SchemaTool($manager))->getUpdateSchemaSql($manager->getMetadataFactory()->getAllMetadata());
    $c->setTransactionIsolation(TransactionIsolationLevel::SERIALIZABLE);
    $c->setNestTransactionsWithSavepoints(true);
    $c->beginTransaction();
    $c->beginTransaction();
    $c->rollBack();
    $c->commit();
    foreach ($day as $operation) {
        $operation($manager);
        $manager->clear();
    }
}
mt_srand((int) ($argv[2] ?? 1));
for ($left = (int) ($argv[3] ?? 0); $left > 0; $left--) {
    $day[mt_rand(0, count($day) - 1)]($manager);
    $manager->clear();
}
